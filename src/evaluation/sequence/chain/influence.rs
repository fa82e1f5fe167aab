//! How each trajectory moves the values of a chain, and what they rest on nothing for.

use super::super::Linearised;
use super::super::returns::per_trajectory;
use super::{Chain, Solution, Tables, Time};

impl Chain<'_> {
    /// Discounted visits of the target to each cell: from the starts with so many steps to go, or, of an only level, all
    /// visits there will be.
    fn visits(&self, tables: &Tables, levels: usize) -> Vec<Vec<f64>> {
        let discount = self.log.shape.discount;
        let cells = tables.starts.len();
        if levels == 1 {
            return vec![self.all_visits(tables, discount)];
        }
        let mut visits = vec![vec![0.0; cells]; levels];
        for trajectory in 0..self.log.len() {
            let row = self.log.rows_of(trajectory).start;
            let own = &mut visits[self.window(trajectory)][self.state(row, 0) * self.width..];
            for (visit, probability) in own.iter_mut().zip(self.law(row)) {
                *visit += probability / self.log.len() as f64;
            }
        }
        for level in (2..levels).rev() {
            let (below, above) = visits.split_at_mut(level);
            for (cell, &visit) in above[0].iter().enumerate().filter(|(_, visit)| **visit > 0.0) {
                self.pass_on(tables, cell, discount * visit, &mut below[level - 1]);
            }
        }
        visits
    }

    /// The estimate from every trajectory once, its influences, and the mass without support.
    pub fn linearised(&self) -> Linearised {
        let tables = self.tables(&vec![1.0; self.log.len()]);
        let solution = self.solve(&tables);
        let starts = self.start_values(&solution);
        let value = starts.iter().sum::<f64>() / starts.len() as f64;
        let visits = self.visits(&tables, solution.levels.len());
        let slopes = self.slopes(&tables, &solution, &visits);
        let discount = self.log.shape.discount;
        let influence = per_trajectory(self.log, |trajectory| {
            let rows = self.log.rows_of(trajectory);
            let mut sum = 0.0;
            for (step, row) in rows.clone().enumerate() {
                let cell = self.cell(row, step);
                let surprise = self.log.rewards[row] - tables.rewards[cell];
                sum += self.weight(row) * slopes.of_reward(&tables, cell) * surprise;
                let followed = row + 1 < rows.end;
                if (followed || self.log.terminated[trajectory]) && tables.followed[cell] > 0.0 {
                    let next =
                        &slopes.of_link[if followed { self.link_of_row[row] as usize * self.width } else { 0 }..];
                    let law = if followed { self.law(row + 1) } else { &[] };
                    let came: f64 = law.iter().zip(next).map(|(probability, slope)| probability * slope).sum();
                    sum += self.weight(row) * discount * (came - slopes.mean_of_links[cell]) / tables.followed[cell];
                }
            }
            starts[trajectory] - value + self.log.len() as f64 * sum
        });
        let unsupported_target_mass = Some(self.unsupported(&tables, &visits));
        Linearised { value, influence, unsupported_target_mass, ..Linearised::default() }
    }

    /// How the value moves with what the cells earn and with what follows them.
    fn slopes(&self, tables: &Tables, solution: &Solution, visits: &[Vec<f64>]) -> Slopes {
        let cells = tables.counts.len();
        let mut of_cell = vec![0.0; cells];
        for level in visits {
            of_cell.iter_mut().zip(level).for_each(|(sum, visit)| *sum += visit);
        }
        let mut of_link = vec![0.0; self.links.len() * self.width];
        for (level, visits) in visits.iter().enumerate() {
            // What may follow with k steps to go has k - 1; of an only level, as many.
            let values = solution.with(level.saturating_sub(1));
            for (link, slopes) in self.links.iter().zip(of_link.chunks_exact_mut(self.width)) {
                let visit = visits[link.0 as usize];
                let next = &values[link.1 as usize * self.width..][..self.width];
                slopes.iter_mut().zip(next).for_each(|(slope, value)| *slope += visit * value);
            }
        }
        let mean = |cell: usize| {
            let links = self.links_of(cell);
            let range = links.start * self.width..links.end * self.width;
            of_link[range.clone()].iter().zip(&tables.successors[range]).map(|(slope, share)| slope * share).sum()
        };
        let mean_of_links = (0..cells).map(mean).collect();
        Slopes { of_cell, of_link, mean_of_links }
    }

    /// Share of the discounted decisions of the target that come at or after a cell that the log never saw (or never saw
    /// go on, where it has to).
    fn unsupported(&self, tables: &Tables, visits: &[Vec<f64>]) -> f64 {
        let per_step = self.states / if self.time == Time::Apart { self.log.longest } else { 1 };
        let (discount, last) = (self.log.shape.discount, visits.len() - 1);
        let remaining = |level: usize, cell: usize| match (self.time, last) {
            (Time::Apart, _) => Some(self.log.longest - cell / self.width / per_step),
            (Time::Pooled, 0) => None,
            (Time::Pooled, _) => Some(level),
        };
        let mut worths = vec![0.0; self.log.longest + 1];
        for step in 0..self.log.longest {
            worths[step + 1] = 1.0 + discount * worths[step];
        }
        let worth = |steps: Option<usize>| steps.map_or(1.0 / (1.0 - discount), |steps| worths[steps]);
        let mut lost = 0.0;
        for (level, visits) in visits.iter().enumerate() {
            for (cell, visit) in visits.iter().enumerate().filter(|(_, visit)| **visit > 0.0) {
                let steps = remaining(level, cell);
                if tables.counts[cell] <= 0.0 {
                    lost += visit * worth(steps);
                } else if tables.followed[cell] <= 0.0 {
                    lost += visit * discount * worth(steps.map(|steps| steps.saturating_sub(1)));
                }
            }
        }
        let endless = self.time == Time::Pooled && last == 0;
        let whole = |trajectory| worth((!endless).then(|| self.window(trajectory)));
        lost * self.log.len() as f64 / (0..self.log.len()).map(whole).sum::<f64>()
    }
}

/// Derivatives of the value.
struct Slopes {
    /// Discounted visits of each cell.
    of_cell: Vec<f64>,
    /// `links × width`.
    of_link: Vec<f64>,
    mean_of_links: Vec<f64>,
}

impl Slopes {
    fn of_reward(&self, tables: &Tables, cell: usize) -> f64 {
        if tables.counts[cell] > 0.0 { self.of_cell[cell] / tables.counts[cell] } else { 0.0 }
    }
}

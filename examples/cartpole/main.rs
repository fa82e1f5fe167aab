//! PPO and DQN on CartPole-v1, with the hyper-parameters of CleanRL.
//!
//! `cargo run --release --example cartpole -- --out DIR [--agents ppo,dqn] [--seeds 1,2,3,4,5] [--steps 500000]`
//!
//! Writes `table.csv` (each agent and seed), `table.md` (each agent) and `figure.svg` (the curves) to DIR. All but the
//! steps per second are the same at every run on the same instruction set. One thread for each agent.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

#[path = "../../tests/integration/deep/cartpole.rs"]
#[allow(clippy::unwrap_used, reason = "the file belongs to the tests, which may")]
mod cartpole;
mod set_up;

use cartpole::{CartPole, train};
use mercato::protocol::World;
use mercato::random::Seed;
use plotters::prelude::*;
use set_up::{SET_UPS, SetUp};
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Episodes that a mean is taken over.
const LAST: usize = 20;
/// Points of a curve.
const POINTS: u64 = 200;
const SIZE: (u32, u32) = (900, 480);

/// Of the lines of each agent, in the order of the set-ups.
const COLOURS: [RGBColor; SET_UPS.len()] = [RGBColor(31, 119, 180), RGBColor(214, 96, 20)];

/// How one training went.
struct Lived {
    agent: &'static SetUp,
    seed: u64,
    lengths: Vec<u32>,
    seconds: f64,
    steps: u64,
}

impl Lived {
    fn last(&self) -> f64 {
        mean(&self.lengths[self.lengths.len().saturating_sub(LAST)..])
    }

    /// Steps of episodes that are over, and the mean of the last twenty of them.
    fn curve(&self) -> Vec<(f64, f64)> {
        let (mut steps, mut point, mut points) = (0, 1, Vec::new());
        for (index, length) in self.lengths.iter().enumerate() {
            steps += u64::from(*length);
            if steps * POINTS >= point * self.steps {
                points.push((steps as f64, mean(&self.lengths[(index + 1).saturating_sub(LAST)..=index])));
                point = steps * POINTS / self.steps + 1;
            }
        }
        points
    }
}

fn mean(lengths: &[u32]) -> f64 {
    lengths.iter().map(|length| f64::from(*length)).sum::<f64>() / lengths.len().max(1) as f64
}

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Outcome<()> {
    let option = |flag: &str, default: &str| {
        let place = arguments.iter().position(|argument| argument == flag);
        place.map_or(Some(default.to_owned()), |place| arguments.get(place + 1).cloned()).unwrap_or_default()
    };
    let out = option("--out", "");
    if out.is_empty() {
        return Err("--out is missing or has no folder".into());
    }
    let steps: u64 = option("--steps", "500000").parse().map_err(|_| "--steps takes a number of steps")?;
    let seeds = option("--seeds", "1,2,3,4,5");
    let seeds: Vec<u64> =
        seeds.split(',').map(|seed| seed.parse().map_err(|_| "--seeds takes numbers")).collect::<Result<_, _>>()?;
    let agents = option("--agents", "ppo,dqn");
    let set_ups: Vec<&'static SetUp> = agents
        .split(',')
        .map(|name| {
            SET_UPS
                .iter()
                .find(|set_up| set_up.name == name)
                .ok_or(format!("--agents: no `{name}`; there are ppo and dqn"))
        })
        .collect::<Result<_, _>>()?;
    // Agents side by side, seeds one after the other.
    let all = std::thread::scope(|scope| {
        let seeds = &seeds;
        let live = move |set_up: &'static SetUp| lived(set_up, seeds, steps).map_err(|error| error.to_string());
        let threads: Vec<_> = set_ups.iter().map(|&set_up| scope.spawn(move || live(set_up))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| "a training broke off".to_owned())?);
        joined.collect::<Result<Vec<_>, String>>()
    })?;
    let all: Vec<Lived> = all.into_iter().flatten().collect();
    let out = Path::new(&out);
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("table.csv"), table(&all))?;
    std::fs::write(out.join("table.md"), summary(&all))?;
    std::fs::write(out.join("figure.svg"), figure(&all, steps)?)?;
    Ok(())
}

/// The trainings of an agent, and a line for each.
fn lived(set_up: &'static SetUp, seeds: &[u64], steps: u64) -> Outcome<Vec<Lived>> {
    let mut all = Vec::new();
    for &seed in seeds {
        let lived = trained(set_up, seed, steps)?;
        println!(
            "{} seed {seed}: {:.1} over the last {LAST} of {} episodes, {:.0} steps/s",
            set_up.name,
            lived.last(),
            lived.lengths.len(),
            steps as f64 / lived.seconds
        );
        all.push(lived);
    }
    Ok(all)
}

#[allow(clippy::disallowed_methods, reason = "steps per second are what it tells")]
fn trained(agent: &'static SetUp, seed: u64, steps: u64) -> Outcome<Lived> {
    let world = CartPole::new(agent.carts, u32::try_from(steps / u64::from(agent.carts))?);
    let mut learner = agent.learner(world.spec(), seed)?;
    let start = Instant::now();
    train(&world, learner.as_mut(), Seed::new(seed))?;
    Ok(Lived { agent, seed, lengths: world.finished(), seconds: start.elapsed().as_secs_f64(), steps })
}

fn table(all: &[Lived]) -> String {
    let mut text = String::from("agent,seed,steps,episodes,mean_return_of_last_20,steps_per_second\n");
    for lived in all {
        let Lived { agent, seed, lengths, seconds, steps } = lived;
        let rate = *steps as f64 / seconds;
        let _ = writeln!(text, "{},{seed},{steps},{},{:.2},{rate:.0}", agent.name, lengths.len(), lived.last());
    }
    text
}

/// The middle one; of an even number, the mean of both.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn summary(all: &[Lived]) -> String {
    let mut text =
        String::from("| agent | median | lowest | highest | steps per second |\n|---|---:|---:|---:|---:|\n");
    for set_up in SET_UPS {
        let of = |figure: &dyn Fn(&Lived) -> f64| -> Vec<f64> {
            all.iter().filter(|lived| lived.agent.name == set_up.name).map(figure).collect()
        };
        let returns = of(&Lived::last);
        if returns.is_empty() {
            continue;
        }
        let (low, high) =
            returns.iter().fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(*value), high.max(*value)));
        let rate = median(of(&|lived| lived.steps as f64 / lived.seconds));
        let _ = writeln!(text, "| {} | {:.1} | {low:.1} | {high:.1} | {rate:.0} |", set_up.name, median(returns));
    }
    text
}

/// The mean of the last twenty episodes over steps, a line for each seed.
fn figure(all: &[Lived], steps: u64) -> Outcome<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(16)
            .caption("CartPole-v1, a line for each seed", ("sans-serif", 18))
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..steps as f64, 0.0..520.0)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc("steps")
            .y_desc("mean return of the last 20 episodes")
            .x_label_formatter(&|steps| format!("{:.0}k", steps / 1_000.0))
            .draw()?;
        for (set_up, colour) in SET_UPS.iter().zip(COLOURS) {
            let style = colour.stroke_width(2);
            for (index, lived) in all.iter().filter(|lived| lived.agent.name == set_up.name).enumerate() {
                let line = chart.draw_series(LineSeries::new(lived.curve(), style))?;
                if index == 0 {
                    line.label(set_up.name.to_uppercase())
                        .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
                }
            }
        }
        let threshold = [(0.0, 475.0), (steps as f64, 475.0)];
        chart
            .draw_series(LineSeries::new(threshold, RGBColor(110, 110, 110)))?
            .label("475")
            .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], RGBColor(110, 110, 110)));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE)
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
        root.present()?;
    }
    Ok(svg)
}

use super::*;
use crate::episode::Training;
use crate::episode::toy::{Constant, Means, Toy, Uniform};
use crate::evaluation::{Contender, Guardrail, Limit};
use crate::random::Seed;
use crate::scenario::Overrides;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, RowAccessor};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// Counts units, and stops the program, as far as a test can, after some of them.
struct Watch {
    done: AtomicU64,
    last: u64,
    restored: AtomicU64,
}

impl Watch {
    fn new(last: u64) -> Self {
        Self { done: AtomicU64::new(0), last, restored: AtomicU64::new(0) }
    }
}

impl Progress for Watch {
    fn begin(&self, _units: u64, restored: u64) {
        self.restored.store(restored, Ordering::Relaxed);
    }

    fn advance(&self) {
        assert!(self.done.fetch_add(1, Ordering::Relaxed) + 1 < self.last, "interrupted");
    }

    fn seconds(&self) -> f64 {
        2.0
    }

    fn started_at(&self) -> String {
        "2026-01-01T00:00:00Z".into()
    }
}

fn experiment(consumers: u32, reward: Reward) -> Experiment {
    let fixed = |name: &str, policy: Box<dyn crate::protocol::Policy>| Contestant {
        name: name.into(),
        kind: "fixed".into(),
        contender: Contender::Fixed(policy),
    };
    let learner = Contender::Learner(Box::new(|| Box::new(Means::default())));
    Experiment {
        name: "toy".into(),
        question: "Does a letter pay, & to whom?".into(),
        text: "name = \"toy\"\n".into(),
        file_name: "toy.toml".into(),
        files: Vec::new(),
        overrides: Overrides::default(),
        hash: "0123".into(),
        seed: Seed::new(7),
        replications: 3,
        world: Box::new(Toy::new(consumers, 6)),
        contestants: vec![
            fixed("plain", Box::new(Constant(1))),
            fixed("loud/all", Box::new(Constant(2))),
            Contestant { name: "means".into(), kind: "means".into(), contender: learner },
            fixed("uniform", Box::new(Uniform)),
        ],
        learners: Vec::new(),
        training: Training { episodes: 1, seeds: vec![101], reward, less_twin: false, expected_orders: false },
        guardrails: vec![Guardrail { metric: "opt_out_rate".into(), limit: Limit::Max(0.03) }],
    }
}

fn options(folder: &TempDir, threads: usize) -> Options {
    Options { threads: Some(threads), ..Options::new(folder.path().join("out")) }
}

/// Every file below a folder with its bytes, but for the manifest, which tells times.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if !path.ends_with("manifest.json") {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_has_the_same_bytes_on_one_two_and_seven_threads() {
    let experiment = experiment(1_500, Reward::Tick);
    let runs = [1, 2, 7].map(|threads| {
        let folder = TempDir::new().unwrap();
        let options = Options { log: true, log_probabilities: true, ..options(&folder, threads) };
        let finished = run_to_folder(&experiment, &options, &Watch::new(99)).unwrap();
        assert_eq!(fs::read_to_string(finished.folder.join("summary.json")).unwrap(), finished.json);
        contents(&finished.folder)
    });
    assert!(runs[0] == runs[1] && runs[0] == runs[2]);
    let names: Vec<&str> = runs[0].iter().map(|(name, _)| name.as_str()).collect();
    let logs = ["loud%2fall", "means", "plain", "uniform"]
        .map(|name| [0, 1, 2].map(|replication| format!("log/{name}-{replication}.parquet")));
    let mut expected: Vec<&str> = logs.iter().flatten().map(String::as_str).collect();
    expected.splice(0..0, ["figure.svg", "learning.csv"]);
    expected.extend([
        "policies/means.json",
        "policies/means.made-for.json",
        "report.html",
        "scenario.json",
        "scenario.toml",
        "series.csv",
        "summary.json",
        "table.csv",
    ]);
    let truths: Vec<String> = logs.iter().flatten().map(|log| log.replace("log/", "truth/")).collect();
    expected.extend(truths.iter().map(String::as_str));
    assert_eq!(names, expected);
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bytes() {
    let experiment = experiment(300, Reward::Window { ticks: 2 });
    let whole = TempDir::new().unwrap();
    let logged = |folder: &TempDir| Options { log: true, ..options(folder, 2) };
    run_to_folder(&experiment, &logged(&whole), &Watch::new(99)).unwrap();
    for last in [1, 4, 9, 14] {
        let folder = TempDir::new().unwrap();
        let options = logged(&folder);
        let stopped = catch_unwind(AssertUnwindSafe(|| run_to_folder(&experiment, &options, &Watch::new(last))));
        assert!(stopped.is_err());
        assert!(!options.out.exists());
        let partial = partial_of(&options.out);
        assert_eq!(read_resume(&partial).unwrap().seed, 7);
        if last == 9 {
            damage(&partial);
        }
        let watch = Watch::new(99);
        run_to_folder(&experiment, &Options { resume: true, ..options.clone() }, &watch).unwrap();
        assert!(watch.restored.load(Ordering::Relaxed) >= last.min(1));
        assert!(watch.done.load(Ordering::Relaxed) < 15, "finished units are not run again");
        assert!(contents(&options.out) == contents(&whole.path().join("out")));
        assert!(!partial.exists());
    }
}

/// One unit torn, one changed, one log gone.
fn damage(partial: &Path) {
    let mut units: Vec<_> = fs::read_dir(partial.join("units")).unwrap().map(|entry| entry.unwrap().path()).collect();
    units.sort();
    let bytes = fs::read(&units[0]).unwrap();
    fs::write(&units[0], &bytes[..bytes.len() / 2]).unwrap();
    let mut bytes = fs::read(&units[1]).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    fs::write(&units[1], bytes).unwrap();
    let log = fs::read_dir(partial.join("log")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(log).unwrap();
    let mut truths: Vec<_> = fs::read_dir(partial.join("truth")).unwrap().map(|entry| entry.unwrap().path()).collect();
    truths.sort();
    let bytes = fs::read(&truths[0]).unwrap();
    fs::write(&truths[0], &bytes[..bytes.len() - 1]).unwrap();
}

#[test]
fn only_the_same_run_can_be_resumed() {
    let experiment = experiment(100, Reward::Tick);
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1);
    let begun = catch_unwind(AssertUnwindSafe(|| run_to_folder(&experiment, &options, &Watch::new(2))));
    assert!(begun.is_err());
    let other = Experiment { seed: Seed::new(8), ..experiment };
    let error = run_to_folder(&other, &Options { resume: true, ..options }, &Watch::new(99)).unwrap_err();
    assert!(matches!(error, RunError::OtherRun(_)) && error.is_input());
}

#[test]
fn a_full_folder_is_left_alone_unless_forced_and_then_until_the_end() {
    let experiment = experiment(100, Reward::Tick);
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1);
    fs::create_dir(&options.out).unwrap();
    fs::write(options.out.join("old"), "precious").unwrap();
    // Not results: not even by force.
    let forced = Options { force: true, ..options.clone() };
    let error = run_to_folder(&experiment, &forced, &Watch::new(99)).unwrap_err();
    assert!(matches!(error, RunError::NotResults(_)) && error.is_input());
    fs::write(options.out.join("summary.json"), "{}").unwrap();
    let error = run_to_folder(&experiment, &options, &Watch::new(99)).unwrap_err();
    assert!(matches!(error, RunError::Occupied(_)) && error.is_input());
    assert!(!partial_of(&options.out).exists());
    // Interrupted, the old results are whole; finished, they are replaced.
    assert!(catch_unwind(AssertUnwindSafe(|| run_to_folder(&experiment, &forced, &Watch::new(3)))).is_err());
    assert_eq!(fs::read_to_string(options.out.join("old")).unwrap(), "precious");
    run_to_folder(&experiment, &forced, &Watch::new(99)).unwrap();
    assert!(!options.out.join("old").exists() && options.out.join("summary.json").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no scaffolding is left");
    // A replacement that died between its two renames is put back by the next run.
    fs::rename(&options.out, folder.path().join("out.replaced")).unwrap();
    assert!(matches!(run_to_folder(&experiment, &options, &Watch::new(99)).unwrap_err(), RunError::Occupied(_)));
    assert!(options.out.join("summary.json").exists());
}

#[test]
fn an_interrupted_run_is_not_discarded_without_being_asked_to() {
    let experiment = experiment(100, Reward::Tick);
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1);
    assert!(catch_unwind(AssertUnwindSafe(|| run_to_folder(&experiment, &options, &Watch::new(3)))).is_err());
    let partial = partial_of(&options.out);
    let kept = contents(&partial);
    let error = run_to_folder(&experiment, &options, &Watch::new(99)).unwrap_err();
    assert!(matches!(error, RunError::Interrupted { .. }) && error.is_input());
    assert!(error.to_string().contains(&format!("mercato run --resume {}", partial.display())), "{error}");
    assert!(contents(&partial) == kept);
    let watch = Watch::new(99);
    run_to_folder(&experiment, &Options { force: true, ..options.clone() }, &watch).unwrap();
    assert_eq!((watch.restored.into_inner(), watch.done.into_inner()), (0, 15), "begun anew");
    // What no run has left is not discarded at all.
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("mine"), "precious").unwrap();
    let forced = Options { force: true, ..options };
    assert!(matches!(run_to_folder(&experiment, &forced, &Watch::new(99)).unwrap_err(), RunError::NotResults(_)));
    assert_eq!(fs::read_to_string(partial.join("mine")).unwrap(), "precious");
}

/// Tries the same folder again in the middle of a run.
struct Intruder<'a>(&'a Experiment, Options, AtomicU64);

impl Progress for Intruder<'_> {
    fn begin(&self, _units: u64, _restored: u64) {
        for resume in [false, true] {
            let options = Options { resume, ..self.1.clone() };
            let error = run_to_folder(self.0, &options, &Watch::new(99)).unwrap_err();
            let told = matches!(error, RunError::Busy { process: Some(id), .. } if id == std::process::id());
            assert!(told && error.is_input(), "{error}");
            self.2.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn advance(&self) {}

    fn seconds(&self) -> f64 {
        1.0
    }

    fn started_at(&self) -> String {
        String::new()
    }
}

#[test]
fn two_runs_never_share_a_folder() {
    let experiment = experiment(100, Reward::Tick);
    let folder = TempDir::new().unwrap();
    let options = Options { force: true, ..options(&folder, 1) };
    let intruder = Intruder(&experiment, options.clone(), AtomicU64::new(0));
    run_to_folder(&experiment, &options, &intruder).unwrap();
    assert_eq!(intruder.2.into_inner(), 2);
    assert!(options.out.join("summary.json").exists() && !options.out.join("lock").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn places_that_can_hold_no_results_are_refused_before_anything_is_written() {
    let experiment = experiment(100, Reward::Tick);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let into = |out: PathBuf| {
        let options = Options { force: true, ..Options::new(out) };
        let error = run_to_folder(&experiment, &options, &Watch::new(99)).unwrap_err();
        assert!(error.is_input(), "{error}");
        error
    };
    assert!(matches!(into(file.clone()), RunError::NotAFolder(_)));
    assert!(matches!(into(file.join("a/b")), RunError::NotWritable { .. }));
    let long = "x".repeat(300);
    assert!(matches!(into(folder.path().join("a/b").join(long)), RunError::NotWritable { .. }));
    for name in ["", ".", "..", "/", "a/.."] {
        assert!(matches!(into(PathBuf::from(name)), RunError::NoName(_)), "{name}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_unknown_policy_is_refused_with_the_nearest_name() {
    let experiment = experiment(100, Reward::Tick);
    let folder = TempDir::new().unwrap();
    let chosen = |name: &str| Options { policies: vec![name.into()], ..options(&folder, 1) };
    let error = run_to_folder(&experiment, &chosen("unifrom"), &Watch::new(99)).unwrap_err();
    let RunError::UnknownPolicy { suggestion, .. } = &error else { panic!("{error}") };
    assert_eq!(suggestion.as_deref(), Some("uniform"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    let finished = run_to_folder(&experiment, &chosen("uniform"), &Watch::new(99)).unwrap();
    assert_eq!(finished.summary.policies.len(), 1);
}

#[test]
fn the_log_reads_back() {
    let experiment = experiment(1_200, Reward::Window { ticks: 2 });
    let folder = TempDir::new().unwrap();
    let options = Options { log: true, log_probabilities: true, ..options(&folder, 2) };
    let finished = run_to_folder(&experiment, &options, &Watch::new(99)).unwrap();
    let reader =
        SerializedFileReader::new(fs::File::open(finished.folder.join("log/uniform-1.parquet")).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    let value = |key: &str| {
        let pairs = metadata.key_value_metadata().unwrap();
        pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()).unwrap()
    };
    assert_eq!((value("scenario").as_str(), value("seed").as_str(), value("policy").as_str()), ("toy", "7", "uniform"));
    let actions: serde_json::Value = serde_json::from_str(&value("actions")).unwrap();
    assert_eq!(actions[2]["letter"], "loud");
    let names: Vec<String> = metadata.schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let expected = "decision_id consumer_id tick action propensity warmth tick_share allowed probabilities reward \
                    reward_window observed_at terminated truncated policy";
    assert_eq!(names.join(" "), expected);
    let rows: Vec<parquet::record::Row> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1_200 * 6);
    let mut by_tick = [0_u32; 6];
    let mut orders = 0.0;
    for row in &rows {
        let tick = row.get_uint(2).unwrap();
        by_tick[tick as usize] += 1;
        let action = row.get_uint(3).unwrap() as usize;
        let Field::ListInternal(law) = row.get_column_iter().nth(8).unwrap().1 else { panic!("no list") };
        let law: Vec<f32> =
            law.elements().iter().map(|p| if let Field::Float(p) = p { *p } else { f32::NAN }).collect();
        assert_eq!(law[action], row.get_float(4).unwrap());
        assert!((law.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let allowed = row.get_bytes(7).unwrap().data()[0];
        assert!((0..3).all(|action| (law[action] > 0.0) == (allowed >> action & 1 == 1)));
        let is_open = matches!(row.get_column_iter().nth(10).unwrap().1, Field::Null);
        assert_eq!((is_open, row.get_bool(13).unwrap()), (tick == 5, tick == 5));
        assert_eq!(row.get_uint(11).unwrap(), (tick + 1).min(5));
        orders += f64::from(row.get_float(9).unwrap() + if action > 0 { 0.02 } else { 0.0 });
    }
    assert_eq!(by_tick, [1_200; 6]);
    assert_eq!(rows[0].get_string(0).unwrap(), "uniform-1-0-0");
    let summary = &finished.summary.policies[3];
    assert!(orders > 0.0 && summary.metrics.get("orders_per_consumer").unwrap().mean > 0.0);
}

#[test]
fn the_truth_stands_row_by_row_beside_the_log() {
    let experiment = experiment(1_200, Reward::Window { ticks: 2 });
    let folder = TempDir::new().unwrap();
    let options = Options { log: true, ..options(&folder, 2) };
    let finished = run_to_folder(&experiment, &options, &Watch::new(99)).unwrap();
    let open = |path: &str| SerializedFileReader::new(fs::File::open(finished.folder.join(path)).unwrap()).unwrap();
    let (log, truth) = (open("log/uniform-1.parquet"), open("truth/uniform-1.parquet"));
    let metadata = |reader: &SerializedFileReader<fs::File>| {
        let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
        pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect::<Vec<_>>()
    };
    assert_eq!(metadata(&log), metadata(&truth));
    let schema = truth.metadata().file_metadata().schema();
    let names: Vec<&str> = schema.get_fields().iter().map(|field| field.name()).collect();
    assert_eq!(names.join(" "), "decision_id expected_rewards eventual_reward twin_reward effect effect_so_far");
    let rows = |reader: &SerializedFileReader<fs::File>| -> Vec<parquet::record::Row> {
        reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
    };
    let (log, truth) = (rows(&log), rows(&truth));
    assert_eq!((log.len(), truth.len()), (1_200 * 6, 1_200 * 6));
    let (mut earned, mut foreseen, mut effects) = (0.0, 0.0, 0);
    for (row, truth) in log.iter().zip(&truth) {
        assert_eq!(row.get_string(0).unwrap(), truth.get_string(0).unwrap());
        let Field::ListInternal(expected) = truth.get_column_iter().nth(1).unwrap().1 else { panic!("no list") };
        let expected: Vec<f32> =
            expected.elements().iter().map(|one| if let Field::Float(one) = one { *one } else { f32::NAN }).collect();
        assert_eq!(expected.len(), 3);
        let reward = row.get_float(8).unwrap();
        let [eventual, twin, effect] = [2, 3, 4].map(|column| truth.get_float(column).unwrap());
        assert_eq!(eventual, reward);
        assert!((effect - (reward - twin)).abs() < 1e-6);
        effects += u32::from(effect != 0.0);
        earned += f64::from(reward);
        foreseen += f64::from(expected[row.get_uint(3).unwrap() as usize]);
    }
    // 7,200 orders of profit 1 with a chance between .1 and .4: a standard error of at most .5 * sqrt(7200) = 42.
    assert!((earned - foreseen).abs() < 130.0, "{earned} {foreseen}");
    assert!(effects > 100);
}

#[test]
fn tables_tell_who_is_first_and_how_surely() {
    let experiment = experiment(2_000, Reward::Tick);
    let folder = TempDir::new().unwrap();
    let finished = run_to_folder(&experiment, &options(&folder, 2), &Watch::new(99)).unwrap();
    let mut warned = finished.summary.clone();
    warned.policies[2].learning.as_mut().unwrap().rewards_outside_range_share = Some(0.3712);
    assert!(screen(&warned).contains("\nmeans: 37 % of the rewards lie outside the declared reward range\n"));
    let text = screen(&finished.summary);
    assert!(!text.contains("reward range"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "toy: 2000 consumers, 6 ticks, 3 replications, seed 7");
    assert!(lines[3].starts_with("1  means"), "{text}");
    assert!(text.contains("means is ahead of") && text.contains("a real difference."), "{text}");
    assert!(text.contains("guardrail broken: opt_out_rate of loud/all"), "{text}");
    let series = fs::read_to_string(finished.folder.join("series.csv")).unwrap();
    assert_eq!(series.lines().count(), 1 + 5 * 6, "the twin and four policies");
    assert!(series.starts_with("policy,tick,messages,"));
    let mut reader = csv::Reader::from_reader(series.as_bytes());
    let orders: f64 = reader
        .records()
        .map(Result::unwrap)
        .filter(|record| &record[0] == "means")
        .map(|record| record[4].parse::<f64>().unwrap())
        .sum();
    let total = finished.summary.policies[2].metrics.get("orders_per_consumer").unwrap().mean;
    assert!((orders - total).abs() < 1e-12);
    let page = fs::read_to_string(finished.folder.join("report.html")).unwrap();
    assert!(page.contains("Does a letter pay, &amp; to whom?") && page.contains("<svg"));
    assert!(!page.contains("http://") || page.matches("http://").count() == page.matches("http://www.w3.org").count());
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(finished.folder.join("manifest.json")).unwrap()).unwrap();
    // Five judged units and one training market in each of three replications; two seconds by the test's clock.
    assert_eq!(manifest["consumer_ticks"], 3 * 6 * 2_000 * 6);
    assert_eq!(manifest["decisions_per_second"], f64::from(3 * 5 * 2_000 * 6) / 2.0);
    if let Some(keep) = option_env!("MERCATO_KEEP_FIGURE") {
        fs::copy(finished.folder.join("figure.svg"), Path::new(keep).join("figure.svg")).unwrap();
        fs::copy(finished.folder.join("report.html"), Path::new(keep).join("report.html")).unwrap();
        fs::write(Path::new(keep).join("table.txt"), text).unwrap();
    }
}

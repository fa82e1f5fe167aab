//! A `[market]` with `kind = "logit"` read from a scenario file, and the real customers of the Hillstrom test.

use mercato::environment::logit::PARAMETERS;
use mercato::market::customers::CustomerTable;
use mercato::registry::{Kind, Parameter, Value, Values};
use std::path::{Path, PathBuf};

/// The values of `[market]` of a scenario of this repository.
pub fn market(scenario: &str) -> Values {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario);
    let file: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let market = file["market"].as_table().unwrap();
    assert_eq!(market["kind"].as_str(), Some("logit"));
    values(PARAMETERS, market)
}

fn values(parameters: &'static [Parameter], table: &toml::Table) -> Values {
    let declared = |key: &str| key == "kind" || parameters.iter().any(|parameter| parameter.name == key);
    assert!(table.keys().all(|key| declared(key)), "unknown key among {:?}", table.keys().collect::<Vec<_>>());
    let mut values = Values::defaults(parameters);
    for parameter in parameters {
        match table.get(parameter.name) {
            Some(given) => values.set(parameter.name, value(&parameter.kind, given), None),
            None => assert!(!parameter.required, "`{}` is required", parameter.name),
        }
    }
    values
}

fn number(given: &toml::Value) -> f64 {
    given.as_float().or(given.as_integer().map(|number| number as f64)).unwrap()
}

fn value(kind: &Kind, given: &toml::Value) -> Value {
    match kind {
        Kind::Number { range, .. } => {
            assert!(range.contains(number(given)));
            Value::Number(number(given))
        }
        Kind::Integer { .. } => Value::Integer(given.as_integer().unwrap()),
        Kind::Boolean { .. } => Value::Boolean(given.as_bool().unwrap()),
        Kind::Choice { options, .. } => {
            assert!(options.contains(&given.as_str().unwrap()));
            Value::Text(given.as_str().unwrap().into())
        }
        Kind::Text { .. } => Value::Text(given.as_str().unwrap().into()),
        Kind::Numbers { range, .. } => {
            let numbers: Vec<f64> = given.as_array().unwrap().iter().map(number).collect();
            assert!(numbers.iter().all(|number| range.contains(*number)));
            Value::Numbers(numbers)
        }
        Kind::Integers { .. } => {
            Value::Integers(given.as_array().unwrap().iter().map(|number| number.as_integer().unwrap()).collect())
        }
        Kind::Texts { .. } => {
            Value::Texts(given.as_array().unwrap().iter().map(|text| text.as_str().unwrap().into()).collect())
        }
        Kind::Csv => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(given.as_str().unwrap());
            let mut reader = csv::Reader::from_path(path).unwrap();
            let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
            let rows = reader.deserialize().collect::<Result<_, _>>().unwrap();
            Value::Csv(mercato::registry::NumericTable { header, rows })
        }
        Kind::Saved | Kind::Agent => unreachable!("no section of a market names an agent"),
        Kind::Coefficients => Value::Coefficients(
            given.as_table().unwrap().iter().map(|(name, coefficient)| (name.clone(), number(coefficient))).collect(),
        ),
        Kind::Table { parameters } => Value::Table(values(parameters, given.as_table().unwrap())),
        Kind::Tables { parameters } => Value::Tables(
            given.as_array().unwrap().iter().map(|table| values(parameters, table.as_table().unwrap())).collect(),
        ),
    }
}

/// A row of the published file: its arm (0 none, 1 men's, 2 women's) and what followed.
#[derive(Clone, Copy)]
pub struct Response {
    pub arm: u16,
    pub visit: f64,
    pub conversion: f64,
    pub spend: f64,
}

/// The 64,000 customers under the names of the scenario, with their arms and outcomes; `None` without the data.
pub fn customers() -> Option<(CustomerTable, Vec<Response>)> {
    let Some(folder) = std::env::var_os("MERCATO_DATA") else {
        println!("skipped: MERCATO_DATA is not set");
        return None;
    };
    let path = PathBuf::from(folder).join("hillstrom").join("hillstrom.csv.gz");
    let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()));
    let header = reader.headers().unwrap().clone();
    let columns: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    let column = |name: &str| {
        let index = header.iter().position(|column| column == name).unwrap();
        columns.iter().map(move |row| row[index].to_owned())
    };
    let numbers = |name: &str| -> Vec<f64> { column(name).map(|text| text.parse().unwrap()).collect() };
    let mut table = CustomerTable { rows: columns.len(), source: "hillstrom.csv".into(), ..CustomerTable::default() };
    for (ours, theirs) in [
        ("recency_months", "recency"),
        ("history_dollars", "history"),
        ("mens", "mens"),
        ("womens", "womens"),
        ("newbie", "newbie"),
    ] {
        table.numbers.insert(ours.into(), numbers(theirs));
    }
    for name in ["zip_code", "channel"] {
        table.texts.insert(name.into(), column(name).collect());
    }
    let arms = column("segment").map(|segment| match segment.as_str() {
        "No E-Mail" => 0,
        "Mens E-Mail" => 1,
        "Womens E-Mail" => 2,
        other => panic!("no arm is named {other}"),
    });
    let (visits, conversions, spends) = (numbers("visit"), numbers("conversion"), numbers("spend"));
    let responses = arms.enumerate().map(|(row, arm)| Response {
        arm,
        visit: visits[row],
        conversion: conversions[row],
        spend: spends[row],
    });
    Some((table, responses.collect()))
}

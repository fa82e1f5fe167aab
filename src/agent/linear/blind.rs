//! What a model does not look at, though the market shows it.

use super::super::naming;
use crate::protocol::Spec;
use crate::registry::{Kind, Parameter, Refusal, Values};

/// Features that are not read.
pub const BLIND_TO: Parameter = Parameter::of(
    "blind_to",
    Kind::Texts { default: Some(&[]) },
    "names of observed features that the value model does not read",
);

/// Columns of the features in `blind_to`.
///
/// # Errors
/// Where the market shows no such feature.
pub fn unread_columns(values: &Values, spec: &Spec) -> Result<Vec<usize>, Refusal> {
    let column = |name: &String| {
        spec.features.iter().position(|feature| feature.name == *name).ok_or_else(|| {
            let known = spec.features.iter().map(|feature| feature.name.as_str());
            let message = format!("there is no feature `{name}` to be blind to");
            Refusal::new(values, "blind_to", message, naming::way_out(name, known))
        })
    };
    values.texts("blind_to").iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::agent::linear::{INTERCEPT, MODEL, Model, RIDGE};
    use crate::registry::Value;

    const PARAMETERS: &[Parameter] = &[MODEL, RIDGE, INTERCEPT, BLIND_TO];

    /// Expected rewards of both actions at (1, 2, -3), having learned rows with these third features.
    fn means(form: &str, blind_to: &[&str], thirds: [f32; 2]) -> Vec<f32> {
        let names = blind_to.iter().map(|name| (*name).to_owned()).collect();
        let values =
            Values::defaults(PARAMETERS).with("model", Value::Text(form.into())).with("blind_to", Value::Texts(names));
        let mut model = Model::create(&values, &spec(3, 2)).unwrap();
        let play = Play::new(&[&[1.0, 0.5, thirds[0]], &[-1.0, 1.0, thirds[1]], &[0.0, 1.0, 1.0]], 2);
        play.teach(&mut model, &[0, 1, 1], &[1.0, 2.0, -1.0]);
        let (mut scratch, mut means) = (model.scratch(1), model.action_room());
        model.open_row(&Play::new(&[&[1.0, 2.0, -3.0]], 2).observation.features, 0, 1, &mut scratch);
        model.means(&mut scratch, &mut means);
        means[0][..2].to_vec()
    }

    #[test]
    fn what_is_not_read_changes_nothing_and_counts_as_0() {
        for form in ["disjoint", "shared", "factored"] {
            let blind = means(form, &["x_2"], [4.0, -7.0]);
            assert_eq!(blind, means(form, &["x_2"], [0.0, 99.0]), "{form}");
            assert_ne!(blind, means(form, &[], [4.0, -7.0]), "{form}");
            assert_ne!(blind, means(form, &["x_1"], [4.0, -7.0]), "{form}");
        }
    }

    #[test]
    fn a_feature_that_is_not_shown_is_refused() {
        let values = Values::defaults(PARAMETERS).with("blind_to", Value::Texts(vec!["x_9".into()]));
        let refusal = Model::create(&values, &spec(3, 2)).unwrap_err();
        assert_eq!(refusal.key, "blind_to");
        assert!(refusal.message.contains("`x_9`"), "{}", refusal.message);
    }
}

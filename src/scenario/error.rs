//! What is wrong with a scenario: each fault with its place, the value and the way out.

use std::fmt;
use std::ops::Range;

/// The sort of a fault, for programs that read `validate --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The text is not TOML.
    Syntax,
    /// A key that nothing reads.
    UnknownKey,
    /// A key that must be given is not there.
    MissingKey,
    /// A text where a number belongs, a table where an array belongs, …
    WrongType,
    /// A number outside its range.
    OutOfRange,
    /// A word that names nothing.
    UnknownName,
    /// A name that stands there twice, or that cannot be used as a name.
    BadName,
    /// A file that is missing or cannot be read.
    UnreadableFile,
    /// A file whose rows or columns are wrong.
    BadTable,
    /// Values that are each legal but do not fit together.
    Refused,
}

impl Code {
    /// The word in `validate --json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown_key",
            Self::MissingKey => "missing_key",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::UnknownName => "unknown_name",
            Self::BadName => "bad_name",
            Self::UnreadableFile => "unreadable_file",
            Self::BadTable => "bad_table",
            Self::Refused => "refused",
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The key, the value and what is wrong with it.
    pub message: String,
    /// Byte range in the text; `None` where nothing in it can be pointed at.
    pub place: Option<Range<usize>>,
    /// The way out.
    pub help: Option<String>,
    /// The sort of fault.
    pub code: Code,
}

/// All faults of a scenario, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioErrors {
    /// Name of the file.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The faults; never empty.
    pub errors: Vec<ScenarioError>,
}

impl ScenarioErrors {
    /// Sorts the faults by place; those without a place come first.
    #[must_use]
    pub fn new(file: &str, text: &str, mut errors: Vec<ScenarioError>) -> Self {
        errors.sort_by_key(|error| error.place.as_ref().map(|place| place.start));
        Self { file: file.to_owned(), text: text.to_owned(), errors }
    }

    /// Line and column of a byte offset, both from 1; columns count characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl fmt::Display for ScenarioErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{}", self.file)?;
            if let Some(place) = &error.place {
                let (line, column) = self.position(place.start);
                write!(formatter, ":{line}:{column}")?;
            }
            write!(formatter, ": {}", error.message)?;
            if let Some(help) = &error.help {
                write!(formatter, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ScenarioErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let errors = ScenarioErrors::new("x.toml", "a = 1\nnäme = 2\n", Vec::new());
        assert_eq!(errors.position(0), (1, 1));
        assert_eq!(errors.position(6), (2, 1));
        assert_eq!(errors.position(9), (2, 3));
        assert_eq!(errors.position(8), (2, 2));
        assert_eq!(errors.position(1_000), (3, 1));
    }

    #[test]
    fn faults_come_in_file_order_with_place_and_help() {
        let fault = |message: &str, place| ScenarioError {
            message: message.to_owned(),
            place,
            help: Some("mend it".to_owned()),
            code: Code::Refused,
        };
        let errors = ScenarioErrors::new(
            "x.toml",
            "a = 1\nb = 2\n",
            vec![fault("late", Some(6..7)), fault("early", Some(0..1))],
        );
        assert_eq!(errors.to_string(), "x.toml:1:1: early\n  help: mend it\nx.toml:2:1: late\n  help: mend it");
    }
}

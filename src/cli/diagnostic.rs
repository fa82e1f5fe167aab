//! Faults of a scenario as a report: each with the line it stands in, what is wrong, and the way out.

use crate::scenario::{ScenarioError, ScenarioErrors};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Line length of a report on a terminal; elsewhere nothing is wrapped, so that messages can be searched.
const TERMINAL_WIDTH: usize = 110;

/// One fault with its source.
struct Fault<'a> {
    error: &'a ScenarioError,
    source: &'a NamedSource<String>,
}

impl fmt::Debug for Fault<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.error.message)
    }
}

impl std::error::Error for Fault<'_> {}

impl Diagnostic for Fault<'_> {
    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.error.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.error.place.as_ref().map(|_| self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.error.place.clone()?;
        let text = self.source.inner();
        // Only the first line of a table: its body may be most of the file.
        let shown = text.get(place.clone()).unwrap_or("").lines().next().unwrap_or("").trim_end();
        let label = LabeledSpan::new_primary_with_span(None, (place.start, shown.len()));
        Some(Box::new(std::iter::once(label)))
    }
}

/// The report as text.
#[must_use]
pub fn render(errors: &ScenarioErrors, colours: bool, width: usize) -> String {
    let source = NamedSource::new(&errors.file, errors.text.clone());
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_context_lines(1).with_links(false);
    let count = errors.errors.len();
    let mut text = format!("{}: {count} {}\n", errors.file, if count == 1 { "fault" } else { "faults" });
    for error in &errors.errors {
        text.push('\n');
        if handler.render_report(&mut text, &Fault { error, source: &source }).is_err() {
            return format!("{errors}\n");
        }
    }
    text
}

/// Reports wrong input on standard error; the exit code is 2.
#[must_use]
pub fn report(errors: &ScenarioErrors) -> ExitCode {
    let is_terminal = io::stderr().is_terminal();
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none();
    let width = if is_terminal { TERMINAL_WIDTH } else { usize::from(u16::MAX) };
    let _ = io::stderr().lock().write_all(render(errors, colours, width).as_bytes());
    ExitCode::from(super::WRONG_INPUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Code;

    fn errors() -> ScenarioErrors {
        let text = "name = \"x\"\n[market]\nmargin = 1.2\n[[policy]]\nname = \"b\"\nkind = \"lin_ubc\"\n";
        let fault = |part: &str, message: &str, help: Option<&str>| {
            let start = text.find(part).unwrap();
            let place = Some(start..start + part.len());
            ScenarioError { message: message.to_owned(), place, help: help.map(str::to_owned), code: Code::Refused }
        };
        let general =
            ScenarioError { message: "no such thing".to_owned(), place: None, help: None, code: Code::Refused };
        ScenarioErrors::new(
            "x.toml",
            text,
            vec![
                general,
                fault("1.2", "market.margin: 1.2 is not a number from 0 to 1", Some("gross margin")),
                fault(
                    "\"lin_ubc\"",
                    "policy[0].kind: there is no agent \"lin_ubc\"",
                    Some("did you mean \"lin_ucb\"?"),
                ),
            ],
        )
    }

    #[test]
    fn a_report_shows_every_fault_with_its_line_and_its_way_out() {
        let text = render(&errors(), false, 100);
        for part in [
            "x.toml: 3 faults",
            "no such thing",
            "market.margin: 1.2 is not a number from 0 to 1",
            "x.toml:3:10",
            "margin = 1.2",
            "help: gross margin",
            "policy[0].kind: there is no agent \"lin_ubc\"",
            "x.toml:6:8",
            "help: did you mean \"lin_ucb\"?",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "colours where there is no terminal");
        assert!(render(&errors(), true, 100).contains('\u{1b}'));
    }

    #[test]
    fn places_at_the_end_of_the_text_do_no_harm() {
        let mut errors = errors();
        let end = errors.text.len();
        errors.errors[0].place = Some(end..end);
        assert!(render(&errors, false, 100).contains("no such thing"));
    }
}

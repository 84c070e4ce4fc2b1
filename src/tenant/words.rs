//! The spellings of the APIs, read into huntbook's one spelling and written back.
//!
//! Reading takes every spelling seen in documentation or metadata, whatever its case. Writing takes
//! the metadata's, and once, when the service refuses that, the one its pages print.

use crate::model::{AlertSeverity, AlertStatus, Classification, Determination, IncidentStatus, Term};

/// Finds a value among its own spelling and its synonyms; keeps an unknown one as it came.
fn term<T: Copy>(text: &str, own: fn(&str) -> Option<T>, synonyms: &[(&str, T)]) -> Term<T> {
    let text = text.trim();
    let synonym =
        || synonyms.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
    own(text).or_else(synonym).map_or_else(|| Term::Other(text.into()), Term::Known)
}

pub(super) fn severity(text: &str) -> Term<AlertSeverity> {
    term(text, AlertSeverity::parse, &[("unSpecified", AlertSeverity::Unknown)])
}

pub(super) fn incident_status(text: &str) -> Term<IncidentStatus> {
    term(text, IncidentStatus::parse, &[])
}

pub(super) fn alert_status(text: &str) -> Term<AlertStatus> {
    // Defender XDR prints `Active` for an alert somebody has taken up.
    term(text, AlertStatus::parse, &[("active", AlertStatus::InProgress)])
}

pub(super) fn classification(text: &str) -> Term<Classification> {
    const EXPECTED: Classification = Classification::InformationalExpectedActivity;
    term(text, Classification::parse, &[("Informational, expected activity", EXPECTED)])
}

/// Synonyms of determinations: one meaning, several pages.
const DETERMINATIONS: [(&str, Determination); 6] = [
    ("compromisedUser", Determination::CompromisedAccount),
    ("clean", Determination::NotMalicious),
    ("insufficientData", Determination::NotEnoughDataToValidate),
    ("noEnoughDataToValidate", Determination::NotEnoughDataToValidate),
    ("confirmedUserActivity", Determination::ConfirmedActivity),
    ("notAvailable", Determination::Unknown),
];

pub(super) fn determination(text: &str) -> Term<Determination> {
    term(text, Determination::parse, &DETERMINATIONS)
}

/// The spelling Graph's pages print where its metadata has another; the first synonym above.
pub(super) fn second_spelling(value: Determination) -> Option<&'static str> {
    match value {
        Determination::Unknown => None,
        other => DETERMINATIONS.iter().find(|(_, known)| *known == other).map(|(name, _)| *name),
    }
}

/// A word as Defender for Endpoint spells it: the first letter large.
pub(super) fn pascal(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// A determination as the pages of Defender for Endpoint print it: the one of the batch page, and another one.
pub(super) fn mde_determination(value: Determination) -> (String, Option<String>) {
    match value {
        Determination::CompromisedAccount => {
            ("CompromisedUser".to_owned(), Some("CompromisedAccount".to_owned()))
        }
        Determination::NotMalicious => ("Clean".to_owned(), Some("NotMalicious".to_owned())),
        Determination::NotEnoughDataToValidate => {
            ("InsufficientData".to_owned(), Some("NotEnoughDataToValidate".to_owned()))
        }
        Determination::ConfirmedActivity => {
            ("ConfirmedUserActivity".to_owned(), Some("ConfirmedActivity".to_owned()))
        }
        other => (pascal(other.as_str()), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_value_is_read_in_any_case() {
        for value in Determination::ALL {
            assert_eq!(determination(&value.as_str().to_ascii_uppercase()), Term::Known(*value));
        }
        for value in IncidentStatus::ALL {
            assert_eq!(incident_status(value.as_str()), Term::Known(*value));
        }
        for value in AlertStatus::ALL {
            assert_eq!(alert_status(value.as_str()), Term::Known(*value));
        }
    }

    #[test]
    fn synonyms_mean_the_same_and_the_unknown_survives() {
        assert_eq!(determination("CompromisedUser"), Term::Known(Determination::CompromisedAccount));
        assert_eq!(determination("Clean"), Term::Known(Determination::NotMalicious));
        assert_eq!(determination("unknownFutureValue"), Term::Other("unknownFutureValue".into()));
        assert_eq!(severity("UnSpecified"), Term::Known(AlertSeverity::Unknown));
        assert_eq!(severity("critical"), Term::Other("critical".into()));
        assert_eq!(alert_status("Active"), Term::Known(AlertStatus::InProgress));
        assert_eq!(
            classification("Informational, expected activity"),
            Term::Known(Classification::InformationalExpectedActivity)
        );
    }

    #[test]
    fn a_second_spelling_reads_back_as_the_first() {
        for value in Determination::ALL {
            if let Some(text) = second_spelling(*value) {
                assert_eq!(determination(text), Term::Known(*value));
                assert_ne!(text, value.as_str());
            }
        }
        assert_eq!(second_spelling(Determination::Malware), None);
    }
}

//! Time zones by name, with the name that was meant.

use jiff::tz::TimeZone;

use super::{About, CadenceProblem};

/// How alike two names must be for one to be suggested for the other: `Europe/Vinena` is, `Mars` is not.
const ALIKE: f64 = 0.75;

/// Shorter names are abbreviations, and those are all alike: `CEST` is not `EST`.
const LETTERS_MIN: usize = 6;

/// Finds a time zone.
pub(super) fn find(name: &str) -> Result<TimeZone, CadenceProblem> {
    let database = jiff::tz::db();
    if let Ok(zone) = database.get(name) {
        return Ok(zone);
    }
    let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
    Err(CadenceProblem {
        about: About::Zone,
        range: 0..name.len(),
        message: format!("there is no time zone `{shown}`"),
        suggestion: near(name, &names),
        help: Some("time zones go by their IANA names, such as `Europe/Stockholm` or `UTC`".to_owned()),
    })
}

/// Finds the name that was meant: the city alone, or a slip of the hand.
fn near(name: &str, names: &[String]) -> Option<String> {
    let wanted = name.trim().to_ascii_lowercase().replace(' ', "_");
    let city = |known: &str| known.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let by_city = names.iter().find(|known| city(known) == wanted);
    if wanted.len() < LETTERS_MIN {
        return by_city.cloned();
    }
    by_city.cloned().or_else(|| {
        names
            .iter()
            .map(|known| {
                (strsim::normalized_damerau_levenshtein(&wanted, &known.to_ascii_lowercase()), known)
            })
            .filter(|(alike, _known)| ALIKE <= *alike)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_alike, known)| known.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expect: Option<&str>) {
        assert_eq!(find(name).unwrap_err().suggestion.as_deref(), expect, "{name}");
    }

    #[test]
    fn the_zone_that_was_meant_is_suggested() {
        check("Europe/Vinena", Some("Europe/Vienna"));
        check("Stockholm", Some("Europe/Stockholm"));
        check("new york", Some("America/New_York"));
        check("Mars/Olympus", None);
        check("CEST", None);
        check("", None);
        check("\u{1b}[31m", None);
    }

    #[test]
    fn a_zone_is_found_whatever_its_case() {
        assert_eq!(find("europe/vienna").unwrap().iana_name(), Some("Europe/Vienna"));
        assert!(find("UTC").is_ok());
    }
}

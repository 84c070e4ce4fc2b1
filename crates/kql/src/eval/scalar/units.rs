//! Conversions between units of measure.

use super::{Args, Kernel};
use crate::value::Value;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "convert_length" => |_, args| ratio(args, length),
        "convert_mass" => |_, args| ratio(args, mass),
        "convert_speed" => |_, args| ratio(args, speed),
        "convert_temperature" => |_, args| Value::Real(temperature(args)),
        _ => return None,
    })
}

/// Converts with factors to a common unit.
fn ratio(args: &Args<'_>, factor: fn(&str) -> Option<f64>) -> Value {
    let convert = || Some(args.real(0)? * factor(&args.text(1))? / factor(&args.text(2))?);
    Value::Real(convert())
}

/// Metres.
fn length(unit: &str) -> Option<f64> {
    Some(match unit {
        "Angstrom" => 1e-10,
        "Nanometer" => 1e-9,
        "Micrometer" => 1e-6,
        "Millimeter" => 1e-3,
        "Centimeter" => 1e-2,
        "Decimeter" => 1e-1,
        "Meter" => 1.0,
        "Decameter" => 10.0,
        "Hectometer" => 100.0,
        "Kilometer" => 1000.0,
        "Megameter" => 1e6,
        "Inch" => 0.0254,
        "Foot" => 0.3048,
        "Yard" => 0.9144,
        "Mile" => 1609.344,
        "NauticalMile" => 1852.0,
        "AstronomicalUnit" => 1.495_978_707e11,
        "LightYear" => 9.460_730_472_580_8e15,
        "Parsec" => 3.085_677_581_28e16,
        _ => return None,
    })
}

/// Kilograms.
fn mass(unit: &str) -> Option<f64> {
    Some(match unit {
        "Milligram" => 1e-6,
        "Gram" => 1e-3,
        "Kilogram" => 1.0,
        "Tonne" => 1000.0,
        "Pound" => 0.453_592_37,
        "Ounce" => 0.028_349_523_125,
        "Stone" => 6.350_293_18,
        "ShortTon" => 907.184_74,
        "LongTon" => 1_016.046_908_8,
        _ => return None,
    })
}

/// Metres in a second: a length, `Per`, a time.
fn speed(unit: &str) -> Option<f64> {
    if unit == "Knot" {
        return Some(1852.0 / 3600.0);
    }
    let (distance, time) = unit.split_once("Per")?;
    let seconds = match time {
        "Second" => 1.0,
        "Minute" => 60.0,
        "Hour" => 3600.0,
        _ => return None,
    };
    Some(length(distance)? / seconds)
}

fn temperature(args: &Args<'_>) -> Option<f64> {
    let value = args.real(0)?;
    let kelvin = match &*args.text(1) {
        "Kelvin" => value,
        "DegreeCelsius" => value + 273.15,
        "DegreeFahrenheit" => (value + 459.67) * 5.0 / 9.0,
        "DegreeRankine" => value * 5.0 / 9.0,
        _ => return None,
    };
    Some(match &*args.text(2) {
        "Kelvin" => kelvin,
        "DegreeCelsius" => kelvin - 273.15,
        "DegreeFahrenheit" => kelvin * 9.0 / 5.0 - 459.67,
        "DegreeRankine" => kelvin * 9.0 / 5.0,
        _ => return None,
    })
}

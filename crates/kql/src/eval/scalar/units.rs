//! Conversions between units of measure.

use super::{Args, Call, Kernel};
use crate::value::Value;

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "convert_angle" => |call, args| ratio(call, args, |unit| simple(ANGLES, unit)),
        "convert_energy" => |call, args| ratio(call, args, |unit| prefixed(ENERGIES, unit)),
        "convert_force" => |call, args| ratio(call, args, |unit| simple(FORCES, unit)),
        "convert_length" => |call, args| ratio(call, args, length),
        "convert_mass" => |call, args| ratio(call, args, |unit| simple(MASSES, unit)),
        "convert_speed" => |call, args| ratio(call, args, speed),
        "convert_temperature" => |_, args| Value::Real(temperature(args)),
        "convert_volume" => |call, args| ratio(call, args, |unit| simple(VOLUMES, unit)),
        _ => return None,
    })
}

/// Names of units, and how many of a common unit each is.
type Units = &'static [(&'static str, f64)];

/// Units the service knows, and whose size there is not documented.
const UNSURE: [&str; 13] = [
    "Tilt",
    "AuTablespoon",
    "BoardFoot",
    "CubicMile",
    "ImperialBeerBarrel",
    "MetricCup",
    "MetricTeaspoon",
    "UkTablespoon",
    "UsBeerBarrel",
    "UsCustomaryCup",
    "UsLegalCup",
    "EarthMass",
    "SolarMass",
];

/// Converts with factors to a common unit.
fn ratio(call: &Call<'_>, args: &Args<'_>, factor: fn(&str) -> Option<f64>) -> Value {
    if UNSURE.iter().any(|unit| *unit == &*args.text(1) || *unit == &*args.text(2)) {
        return call.unsupported("converting a unit whose size is not documented", Value::Real(None));
    }
    let convert = || Some(args.real(0)? * factor(&args.text(1))? / factor(&args.text(2))?);
    Value::Real(convert())
}

fn simple(units: Units, unit: &str) -> Option<f64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// Knows units with the prefixes of large amounts too.
fn prefixed(units: Units, unit: &str) -> Option<f64> {
    const PREFIXES: Units = &[("Kilo", 1e3), ("Mega", 1e6), ("Giga", 1e9), ("Tera", 1e12), ("Milli", 1e-3)];
    let with_prefix = |(prefix, factor): &(&str, f64)| {
        let rest = unit.strip_prefix(prefix)?;
        let known = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(rest))?;
        Some(known.1 * factor)
    };
    simple(units, unit).or_else(|| PREFIXES.iter().find_map(with_prefix))
}

/// Degrees.
const ANGLES: Units = &[
    ("Arcminute", 1.0 / 60.0),
    ("Arcsecond", 1.0 / 3600.0),
    ("Centiradian", 180.0 / std::f64::consts::PI * 1e-2),
    ("Deciradian", 180.0 / std::f64::consts::PI * 1e-1),
    ("Degree", 1.0),
    ("Gradian", 0.9),
    ("Microdegree", 1e-6),
    ("Microradian", 180.0 / std::f64::consts::PI * 1e-6),
    ("Millidegree", 1e-3),
    ("Milliradian", 180.0 / std::f64::consts::PI * 1e-3),
    ("Nanodegree", 1e-9),
    ("Nanoradian", 180.0 / std::f64::consts::PI * 1e-9),
    ("NatoMil", 360.0 / 6400.0),
    ("Radian", 180.0 / std::f64::consts::PI),
    ("Revolution", 360.0),
];

/// Joules.
const ENERGIES: Units = &[
    ("BritishThermalUnit", 1_055.055_852_62),
    ("Calorie", 4.184),
    ("DecathermEc", 1.055_055_852_62e9),
    ("DecathermImperial", 1.055_055_852_57e9),
    ("DecathermUs", 1.054_804e9),
    ("ElectronVolt", 1.602_176_565e-19),
    ("Erg", 1e-7),
    ("FootPound", 1.355_817_948),
    ("HorsepowerHour", 2.684_519_537_70e6),
    ("Joule", 1.0),
    ("ThermEc", 1.055_055_852_62e8),
    ("ThermImperial", 1.055_055_852_57e8),
    ("ThermUs", 1.054_804e8),
    ("WattDay", 86_400.0),
    ("WattHour", 3600.0),
];

/// Newtons.
const FORCES: Units = &[
    ("Decanewton", 10.0),
    ("Dyn", 1e-5),
    ("KilogramForce", 9.806_65),
    ("Kilonewton", 1e3),
    ("KiloPond", 9.806_65),
    ("KilopoundForce", 4_448.221_615_260_5),
    ("Meganewton", 1e6),
    ("Micronewton", 1e-6),
    ("Millinewton", 1e-3),
    ("Newton", 1.0),
    ("OunceForce", 0.278_013_850_953_781),
    ("Poundal", 0.138_254_954_376),
    ("PoundForce", 4.448_221_615_260_5),
    ("ShortTonForce", 8_896.443_230_521),
    ("TonneForce", 9_806.65),
];

/// Cubic metres.
const VOLUMES: Units = &[
    // The service keeps six digits of its reciprocal.
    ("AcreFoot", 1.0 / 0.000_810_714),
    ("Centiliter", 1e-5),
    ("CubicCentimeter", 1e-6),
    ("CubicDecimeter", 1e-3),
    ("CubicFoot", 0.028_316_846_592),
    ("CubicHectometer", 1e6),
    ("CubicInch", 1.638_706_4e-5),
    ("CubicKilometer", 1e9),
    ("CubicMeter", 1.0),
    ("CubicMicrometer", 1e-18),
    ("CubicMillimeter", 1e-9),
    ("CubicYard", 0.764_554_857_984),
    ("Decaliter", 1e-2),
    ("DecausGallon", 0.037_854_117_84),
    ("Deciliter", 1e-4),
    ("DeciusGallon", 0.000_378_541_178_4),
    ("HectocubicFoot", 2.831_684_659_2),
    ("HectocubicMeter", 1e2),
    ("Hectoliter", 1e-1),
    ("HectousGallon", 0.378_541_178_4),
    ("ImperialGallon", 0.004_546_09),
    ("ImperialOunce", 2.841_306_25e-5),
    ("ImperialPint", 0.000_568_261_25),
    ("KilocubicFoot", 28.316_846_592),
    ("KilocubicMeter", 1e3),
    ("KiloimperialGallon", 4.546_09),
    ("Kiloliter", 1.0),
    ("KilousGallon", 3.785_411_784),
    ("Liter", 1e-3),
    ("MegacubicFoot", 28_316.846_592),
    ("MegaimperialGallon", 4_546.09),
    ("Megaliter", 1e3),
    ("MegausGallon", 3_785.411_784),
    ("Microliter", 1e-9),
    ("Milliliter", 1e-6),
    ("OilBarrel", 0.158_987_294_928),
    ("UsGallon", 0.003_785_411_784),
    ("UsOunce", 2.957_352_956_25e-5),
    ("UsPint", 0.000_473_176_473),
    ("UsQuart", 0.000_946_352_946),
    ("UsTablespoon", 1.478_676_478_125e-5),
    ("UsTeaspoon", 4.928_921_593_75e-6),
];

/// Metres.
fn length(unit: &str) -> Option<f64> {
    Some(match unit {
        "Angstrom" => 1e-10,
        "AstronomicalUnit" => 1.495_978_707e11,
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
        "Chain" => 20.1168,
        "DataMile" => 1_828.8,
        "DtpPoint" => 0.0254 / 72.0,
        "DtpPica" => 0.0254 / 6.0,
        "Fathom" => 1.8288,
        "Foot" => 0.3048,
        "Hand" => 0.1016,
        "Inch" => 0.0254,
        "Microinch" => 2.54e-8,
        "Mil" => 2.54e-5,
        "Mile" => 1609.344,
        "NauticalMile" => 1852.0,
        "LightYear" => 9.460_730_472_580_8e15,
        "KilolightYear" => 9.460_730_472_580_8e18,
        "MegalightYear" => 9.460_730_472_580_8e21,
        "Parsec" => 3.085_677_581_28e16,
        "Kiloparsec" => 3.085_677_581_28e19,
        "Megaparsec" => 3.085_677_581_28e22,
        "Shackle" => 27.432,
        "SolarRadius" => 6.9551e8,
        "UsSurveyFoot" => 1200.0 / 3937.0,
        "Yard" => 0.9144,
        _ => return None,
    })
}

/// Kilograms.
const MASSES: Units = &[
    ("Centigram", 1e-5),
    ("Decagram", 1e-2),
    ("Decigram", 1e-4),
    ("Grain", 6.479_891e-5),
    ("Gram", 1e-3),
    ("Hectogram", 1e-1),
    ("Kilogram", 1.0),
    ("Kilopound", 453.592_37),
    ("Kilotonne", 1e6),
    ("LongHundredweight", 50.802_345_44),
    ("LongTon", 1_016.046_908_8),
    ("Megapound", 453_592.37),
    ("Megatonne", 1e9),
    ("Microgram", 1e-9),
    ("Milligram", 1e-6),
    ("Nanogram", 1e-12),
    ("Ounce", 0.028_349_523_125),
    ("Pound", 0.453_592_37),
    ("ShortHundredweight", 45.359_237),
    ("ShortTon", 907.184_74),
    ("Slug", 14.593_903),
    ("Stone", 6.350_293_18),
    ("Tonne", 1000.0),
];

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

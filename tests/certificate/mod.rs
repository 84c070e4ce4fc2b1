//! Certificates of apps, for tests.

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};

/// A certificate and its key, as PEM.
pub(crate) struct Made {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Made {
    /// Both in one text.
    pub(crate) fn both(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }
}

/// A certificate that is good from and to so many days from `now`.
pub(crate) fn rsa(now: Timestamp, days: (i64, i64)) -> Made {
    made(&PKCS_RSA_SHA256, now, days)
}

/// The same with a key that the authority does not take.
pub(crate) fn elliptic(now: Timestamp, days: (i64, i64)) -> Made {
    made(&PKCS_ECDSA_P256_SHA256, now, days)
}

fn made(algorithm: &'static SignatureAlgorithm, now: Timestamp, (begins, ends): (i64, i64)) -> Made {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    let day = |days: i64| {
        let day = now.checked_add(SignedDuration::from_hours(24 * days)).expect("a day");
        let day = day.to_zoned(jiff::tz::TimeZone::UTC);
        let part = |value: i8| u8::try_from(value).expect("positive");
        rcgen::date_time_ymd(i32::from(day.year()), part(day.month()), part(day.day()))
    };
    params.not_before = day(begins);
    params.not_after = day(ends);
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    Made { certificate, key: key.serialize_pem() }
}

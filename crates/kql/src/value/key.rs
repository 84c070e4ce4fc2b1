//! Values as bytes, so that rows can be grouped and joined by equality.

use super::{Cells, Dynamic, Value};

/// Writes values one after the other into bytes: equal rows, and only those, give equal bytes.
///
/// Nulls are equal to each other here. `int` and `long` agree, and both zeros.
#[derive(Debug, Default)]
pub struct KeyWriter {
    bytes: Vec<u8>,
}

impl KeyWriter {
    /// Creates an empty key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Returns what was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn number(&mut self, tag: u8, number: Option<u64>) {
        match number {
            Some(number) => {
                self.bytes.push(tag);
                self.bytes.extend_from_slice(&number.to_le_bytes());
            }
            None => self.bytes.push(0),
        }
    }

    fn real(&mut self, number: Option<f64>) {
        let canonical = number.map(|number| {
            if number == 0.0 {
                0
            } else if number.is_nan() {
                f64::NAN.to_bits()
            } else {
                number.to_bits()
            }
        });
        self.number(2, canonical);
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(3);
        self.bytes.extend_from_slice(&text.len().to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Appends a value.
    pub fn push(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => self.number(4, value.map(u64::from)),
            Value::Int(value) => self.number(1, value.map(|value| i64::from(value).cast_unsigned())),
            Value::Long(value) => self.number(1, value.map(i64::cast_unsigned)),
            Value::Real(value) => self.real(*value),
            Value::Datetime(value) => self.number(5, value.map(|value| value.ticks().cast_unsigned())),
            Value::Timespan(value) => self.number(6, value.map(|value| value.0.cast_unsigned())),
            Value::Decimal(None) | Value::Guid(None) => self.bytes.push(0),
            Value::Decimal(Some(value)) => {
                self.bytes.push(7);
                self.text(&value.to_string());
            }
            Value::Guid(Some(value)) => {
                self.bytes.push(8);
                self.bytes.extend_from_slice(&value.0.to_le_bytes());
            }
            Value::String(text) => self.text(text),
            Value::Dynamic(value) => self.dynamic(value),
        }
    }

    fn dynamic(&mut self, value: &Dynamic) {
        match value {
            Dynamic::Null => self.bytes.push(0),
            Dynamic::Array(_) | Dynamic::Bag(_) => {
                self.bytes.push(9);
                self.text(&value.to_string());
            }
            other => self.push(&other.clone().into_scalar()),
        }
    }

    /// Appends the value of a column in a row.
    pub fn push_cell(&mut self, cells: &Cells, row: usize) {
        match cells {
            Cells::String(texts) => self.text(texts.get(row).map_or("", |text| text)),
            Cells::Long(numbers) => {
                let number = numbers.get(row).copied().flatten();
                self.number(1, number.map(i64::cast_unsigned));
            }
            other => self.push(&other.get(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[Value]) -> Vec<u8> {
        let mut writer = KeyWriter::new();
        for value in values {
            writer.push(value);
        }
        writer.bytes().to_vec()
    }

    #[test]
    fn equal_rows_have_equal_keys() {
        assert_eq!(key(&[Value::Int(Some(1))]), key(&[Value::from(1)]));
        assert_eq!(key(&[Value::from(0.0)]), key(&[Value::from(-0.0)]));
        assert_eq!(key(&[Value::from(f64::NAN)]), key(&[Value::from(-f64::NAN)]));
        assert_eq!(key(&[Value::Long(None)]), key(&[Value::Int(None)]));
        assert_eq!(key(&[Dynamic::text("a").into()]), key(&["a".into()]));
    }

    #[test]
    fn different_rows_have_different_keys() {
        assert_ne!(key(&["a".into(), "bc".into()]), key(&["ab".into(), "c".into()]));
        assert_ne!(key(&["".into()]), key(&[Value::Long(None)]));
        assert_ne!(key(&[Value::from(1)]), key(&[Value::from(true)]));
        assert_ne!(key(&[Dynamic::parse("[1]").into()]), key(&["[1]".into()]));
    }
}

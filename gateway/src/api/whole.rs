//! Whole numbers in JSON, of which some libraries write `7` as `7.0`.

use core::fmt::{self, Formatter};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Reads a whole number; `null` is 0.
pub(super) fn whole<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: TryFrom<i128> + Default,
    D: Deserializer<'de>,
{
    Ok(optional_whole(from)?.unwrap_or_default())
}

/// Reads a whole number; `null` is none.
pub(super) fn optional_whole<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<i128>,
    D: Deserializer<'de>,
{
    let number = Option::<Whole>::deserialize(from)?;
    number
        .map(|Whole(number)| T::try_from(number))
        .transpose()
        .map_err(|_| D::Error::custom("a number out of range"))
}

struct Whole(i128);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
        // Beyond this, not every whole number is one that a float can be.
        const EXACT: i128 = 1 << 53;
        let whole = number as i128;
        match whole as f64 == number && (-EXACT..=EXACT).contains(&whole) {
            true => Ok(Whole(whole)),
            false => Err(E::custom("not a whole number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: TryFrom<i128> + Default>(json: &str) -> Option<T> {
        whole(&mut serde_json::Deserializer::from_str(json)).ok()
    }

    #[test]
    fn whole_numbers_are_read_in_each_form() {
        for (json, number) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("7e0", Some(7)),
            ("-1", Some(-1)),
            ("null", Some(0)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("7.5", None),
            ("1e300", None),
            ("\"7\"", None),
            ("true", None),
            ("[7]", None),
        ] {
            assert_eq!(read::<i32>(json), number, "{json}");
        }
        assert_eq!(read::<u64>("18446744073709551615"), Some(u64::MAX));
        assert_eq!(read::<u64>("18446744073709551616"), None);
        assert_eq!(read::<u64>("-1"), None);
        assert_eq!(read::<i64>("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(read::<i64>("-9223372036854775809"), None);
    }
}

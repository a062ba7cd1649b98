//! Building answers: JSON with its headers, entity tags, Google's date format.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// JSON as Google sends it; `pretty` is its default.
pub(super) fn json(code: u16, body: &Value, pretty: bool) -> Response<Bytes> {
    let text = if pretty {
        serde_json::to_string_pretty(body)
    } else {
        serde_json::to_string(body)
    };
    plain(
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        "application/json; charset=UTF-8",
        text.unwrap_or_default(),
    )
}

pub(super) fn plain(status: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// The entity tag of a resource: the same content has the same tag, quotation marks included.
pub(super) fn etag(content: &Value) -> String {
    let digest = Sha256::digest(content.to_string().as_bytes());
    let digest = URL_SAFE_NO_PAD.encode(digest);
    let (first, second) = digest.split_at_checked(22).unwrap_or((&digest, ""));
    format!("\"{first}/{second}\"")
}

/// Gives a resource its `etag` field, computed from the rest of it.
pub(super) fn tagged(mut resource: Value) -> Value {
    let tag = etag(&resource);
    if let Some(resource) = resource.as_object_mut() {
        resource.insert("etag".to_owned(), Value::String(tag));
    }
    resource
}

/// A time as HTTP's `Date` wants it, for example `Tue, 15 Nov 1994 08:12:31 GMT`.
pub(crate) fn http_date(now_ms: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = now_ms / 1000;
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        usize::try_from(days % 7)
            .ok()
            .and_then(|at| DAYS.get(at))
            .unwrap_or(&"Thu"),
        usize::try_from(month - 1)
            .ok()
            .and_then(|at| MONTHS.get(at))
            .unwrap_or(&"Jan"),
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    )
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar
/// (Howard Hinnant's `civil_from_days`, for days that are not before the epoch).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(http_date(784_887_151_000), "Tue, 15 Nov 1994 08:12:31 GMT");
        assert_eq!(http_date(1_709_210_096_999), "Thu, 29 Feb 2024 12:34:56 GMT");
    }
}

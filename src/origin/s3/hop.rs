//! Headers that end at this hop. Pure.

use http::{HeaderMap, HeaderName, header};

/// Headers that belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes out the headers that belong to one connection, those that `Connection` names included.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_stays_on_the_connection() {
        let pairs = [
            ("connection", "close, X-Own"),
            ("x-own", "1"),
            ("etag", "e"),
        ];
        let parse = |(name, value): (&'static str, &str)| {
            let value = value.parse().expect("a value");
            (HeaderName::from_static(name), value)
        };
        let mut map: HeaderMap = pairs.into_iter().map(parse).collect();
        remove_hop_by_hop(&mut map);
        assert_eq!(map.len(), 1);
    }
}

//! The list of targets.

mod answer;
mod chunked;
mod claim;
mod conditions;
mod config;
mod deletion;
mod document;
mod form;
mod form_policy;
mod headers;
mod key;
mod lane;
mod place;
mod policy;
mod query;
mod range;
mod rename;
mod route;
mod signed;
mod tags;

/// A property of a parser.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Inputs to begin with.
    pub(crate) seeds: &'static [&'static str],
    /// Panics where the property does not hold.
    pub(crate) run: fn(&[u8]),
}

pub(crate) const ALL: &[Target] = &[
    answer::TARGET,
    chunked::TARGET,
    claim::TARGET,
    conditions::TARGET,
    config::TARGET,
    deletion::TARGET,
    document::TARGET,
    form::TARGET,
    form_policy::TARGET,
    headers::TARGET,
    key::TARGET,
    lane::TARGET,
    place::TARGET,
    policy::TARGET,
    query::TARGET,
    range::TARGET,
    rename::TARGET,
    route::TARGET,
    signed::TARGET,
    tags::TARGET,
];

/// The input as text, for targets whose parsers are given nothing else.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

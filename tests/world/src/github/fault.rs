//! Faults as data: the next answers to some requests go wrong.

/// Which requests a fault meets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matcher {
    /// The method in capitals; empty for every method.
    pub method: String,
    /// What the path contains; empty for every path.
    pub path_contains: String,
}

impl Matcher {
    /// Requests of this method whose path contains this; empty means any.
    pub fn new(method: &str, path_contains: &str) -> Self {
        Self { method: method.to_owned(), path_contains: path_contains.to_owned() }
    }

    pub(crate) fn meets(&self, method: &str, path: &str) -> bool {
        (self.method.is_empty() || self.method == method) && path.contains(&self.path_contains)
    }
}

/// How a request goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// An answer of this status and nothing done.
    Status(u16),
    /// 403 with an empty primary budget.
    PrimaryRateLimit {
        /// When the budget is full again, in seconds from now.
        reset_seconds: i64,
    },
    /// 403 with `retry-after`.
    SecondaryRateLimit {
        /// The seconds of the header.
        retry_after: u64,
    },
    /// The connection breaks before anything is done.
    CloseConnection,
    /// The request is carried out, and the connection breaks before the answer arrives.
    LoseAnswer,
}

#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) matcher: Matcher,
    pub(crate) failure: Failure,
    pub(crate) times: usize,
}

/// The first fault that meets this request; it is used up by one.
pub(crate) fn next(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<Failure> {
    let at = faults.iter().position(|fault| fault.times > 0 && fault.matcher.meets(method, path))?;
    faults[at].times -= 1;
    let failure = faults[at].failure.clone();
    if faults[at].times == 0 {
        faults.remove(at);
    }
    Some(failure)
}

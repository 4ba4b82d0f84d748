//! Mistakes in a configuration, collected so that all of them are told at once.

use std::fmt;

/// One mistake: the key it is at, what is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key's path, as in `bucket.train.origin`.
    pub key: String,
    pub message: String,
    pub hint: String,
}

/// A list of mistakes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a mistake.
    pub fn add(
        &mut self,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.0.push(Problem {
            key: key.into(),
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// The mistakes so far, in the order found.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }

    /// `value` where there is no mistake, else the mistakes.
    ///
    /// # Errors
    /// The collected mistakes, at least one.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { key, message, hint }) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{key}: {message}\n    hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

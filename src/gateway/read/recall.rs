//! Records that memory does not have, from the disks and to them: of an earlier life of the node, or more than memory holds.

use crate::cache::small::Kind;
use crate::records::{Record, Ticket};
use crate::types::{BodyId, Subject};

use super::source::Source;

impl Source {
    /// Takes in what the disks know of the subject, and of the object's current state, which may be the version asked for.
    /// Returns whether something was found; what it is worth is [`Records`](crate::records::Records)' to say.
    ///
    /// Nobody is asked twice at a time: who looks for the same joins the read.
    pub(super) async fn recall(&self) -> bool {
        let object = &self.aim.subject.object;
        let is_version = self.aim.subject.version_id.is_some();
        let current = is_version.then(|| Subject::from(object.clone()));
        let mut found = false;
        for subject in [Some(&self.aim.subject), current.as_ref()]
            .into_iter()
            .flatten()
        {
            found |= self.recall_one(subject).await;
        }
        found
    }

    async fn recall_one(&self, subject: &Subject) -> bool {
        let small = &self.tiers.small;
        let digest = subject.digest();
        // Most objects that memory does not know are not known at all: that costs no wait.
        if !small.may_hold(Kind::Record, digest) {
            return false;
        }
        let Some(bytes) = small.get(Kind::Record, digest).await else {
            return false;
        };
        self.records.restore(subject, &bytes, self.aim.purges.0);
        true
    }

    /// Whether the disks may hold a record of the subject.
    pub(super) fn saved(&self) -> bool {
        let digest = self.aim.subject.digest();
        self.tiers.small.may_hold(Kind::Record, digest)
    }

    /// Offers a record that was admitted under `ticket` to the disks.
    pub(super) fn save(&self, ticket: &Ticket, record: &Record) {
        let small = &self.tiers.small;
        if !small.is_some() {
            return;
        }
        match self.records.save(ticket, &self.aim.subject, record) {
            Some(bytes) => small.put(Kind::Record, self.aim.subject.digest(), bytes),
            None => small.forget(Kind::Record, self.aim.subject.digest()),
        }
    }

    /// Drops the record that names `body`, which the origin no longer has, from memory and from the disks.
    pub(super) fn forget(&self, body: &BodyId) {
        if self.records.forget(&self.aim.subject, body) {
            self.tiers
                .small
                .forget(Kind::Record, self.aim.subject.digest());
        }
    }
}

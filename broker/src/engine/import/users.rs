use std::collections::BTreeSet;

use crate::engine::broker_cell::BrokerCell;
use crate::engine::users::{NewUser, NoRandomness};
use crate::model::access::{Permissions, TopicPatterns, TopicPermissions, User};
use crate::model::definitions::{At, FaultKind, In, Report, TopicEntry};

/// Users and what they may do, found right.
#[derive(Debug)]
pub(super) struct ImportingUsers<'b> {
    broker: &'b BrokerCell,
    users: Vec<NewUser>,
    /// All that the file names.
    names: BTreeSet<String>,
    /// User and virtual host.
    permissions: Vec<(String, String, Permissions)>,
    /// User, virtual host and exchange.
    topics: Vec<(String, String, String, TopicPatterns)>,
}

impl<'b> ImportingUsers<'b> {
    pub(super) fn check(
        broker: &'b BrokerCell,
        users: Vec<At<User>>,
        names: BTreeSet<String>,
        report: &mut Report,
    ) -> Self {
        let hashed = users.into_iter().filter_map(|At { path, item }| {
            let hashed = NewUser::new(item);
            hashed.map_err(|NoRandomness| report.fault(path, FaultKind::NoRandomness)).ok()
        });
        let users = hashed.collect();
        Self { broker, users, names, permissions: Vec::new(), topics: Vec::new() }
    }

    pub(super) fn check_permissions(
        &mut self,
        entry: In<(String, Permissions)>,
        report: &mut Report,
    ) {
        let (user, permissions) = entry.item;
        if self.has(&user, &entry.path, report) {
            self.permissions.push((user, entry.virtual_host.to_string(), permissions));
        }
    }

    pub(super) fn check_topics(&mut self, entry: In<TopicEntry>, report: &mut Report) {
        let TopicEntry { user, exchange, write, read } = entry.item;
        let virtual_host = entry.virtual_host.to_string();
        let topics = TopicPermissions { exchange: &exchange, write: &write, read: &read };
        let patterns = TopicPatterns::new(topics, &user, &virtual_host).map_err(|error| {
            report.fault(format!("{}.{}", entry.path, error.permission()), error);
        });
        if self.has(&user, &entry.path, report)
            && let Ok(patterns) = patterns
        {
            self.topics.push((user, virtual_host, exchange, patterns));
        }
    }

    /// Whether there is the user, in the file or in the broker.
    fn has(&self, user: &str, path: &str, report: &mut Report) -> bool {
        let is_there = self.names.contains(user) || self.broker.users().contains(user);
        if !is_there {
            let kind = FaultKind::UnknownUser { name: user.to_owned() };
            report.fault(format!("{path}.user"), kind);
        }
        is_there
    }

    pub(super) fn apply(self) {
        let Self { broker, users, permissions, topics, .. } = self;
        let all = broker.users();
        users.into_iter().for_each(|user| all.set(user));
        // All of them are there: nobody deletes one meanwhile.
        for (user, virtual_host, permissions) in permissions {
            let _ =
                all.change(&user, |user| user.set_permissions(&virtual_host, Some(permissions)));
        }
        for (user, virtual_host, exchange, patterns) in topics {
            let _ = all.change(&user, |user| user.set_topics(&virtual_host, &exchange, patterns));
        }
    }
}

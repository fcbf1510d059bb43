use std::collections::BTreeMap;

use super::permissions::Permissions;
use super::topic::TopicPatterns;
use crate::model::limits::UserLimits;

/// Who a peer has proved to be, and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct AuthenticatedUser {
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    pub(super) limits: UserLimits,
    /// By virtual host.
    pub(super) permissions: BTreeMap<String, Permissions>,
    /// By virtual host and exchange.
    pub(super) topics: BTreeMap<String, BTreeMap<String, TopicPatterns>>,
}

impl AuthenticatedUser {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            tags: Vec::new(),
            limits: UserLimits::default(),
            permissions: BTreeMap::new(),
            topics: BTreeMap::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    pub(crate) fn tags(&self) -> &[String] {
        &self.tags
    }

    pub(crate) fn limits(&self) -> UserLimits {
        self.limits
    }

    /// Takes the place of another description of the same user: what that one may do stays, as far
    /// as this one says nothing of it.
    pub(crate) fn replacing(mut self, other: &Self) -> Self {
        self.limits = self.limits.or(other.limits);
        for (virtual_host, permissions) in &other.permissions {
            let permissions = permissions.clone();
            self.permissions.entry(virtual_host.clone()).or_insert(permissions);
        }
        for (virtual_host, exchanges) in &other.topics {
            let own = self.topics.entry(virtual_host.clone()).or_default();
            for (exchange, patterns) in exchanges {
                own.entry(exchange.clone()).or_insert_with(|| patterns.clone());
            }
        }
        self
    }

    /// With these limits alone.
    pub(crate) fn set_limits(&mut self, limits: UserLimits) {
        self.limits = limits;
    }

    /// Sets or clears the permissions in a virtual host.
    pub(crate) fn set_permissions(&mut self, virtual_host: &str, permissions: Option<Permissions>) {
        match permissions {
            Some(permissions) => self.permissions.insert(virtual_host.to_owned(), permissions),
            None => self.permissions.remove(virtual_host),
        };
    }

    /// Sets the patterns of a topic exchange.
    pub(crate) fn set_topics(&mut self, virtual_host: &str, exchange: &str, topics: TopicPatterns) {
        let exchanges = self.topics.entry(virtual_host.to_owned()).or_default();
        exchanges.insert(exchange.to_owned(), topics);
    }

    /// Clears the patterns of one topic exchange, or of all in the virtual host.
    pub(crate) fn clear_topics(&mut self, virtual_host: &str, exchange: Option<&str>) {
        match (exchange, self.topics.get_mut(virtual_host)) {
            (Some(exchange), Some(exchanges)) => {
                exchanges.remove(exchange);
            }
            (Some(_), None) => {}
            (None, _) => {
                self.topics.remove(virtual_host);
            }
        }
    }

    /// A user who may do nothing any more, anywhere.
    pub(crate) fn without_permissions(&self) -> Self {
        Self { permissions: BTreeMap::new(), topics: BTreeMap::new(), ..self.clone() }
    }

    /// All permissions, by virtual host.
    pub(crate) fn all_permissions(&self) -> impl Iterator<Item = (&String, &Permissions)> {
        self.permissions.iter()
    }

    /// All patterns of topic exchanges: virtual host, exchange, patterns.
    pub(crate) fn all_topics(&self) -> impl Iterator<Item = (&String, &String, &TopicPatterns)> {
        self.topics.iter().flat_map(|(virtual_host, exchanges)| {
            exchanges.iter().map(move |(exchange, patterns)| (virtual_host, exchange, patterns))
        })
    }

    /// Whether the user may open the virtual host. It may need nothing there: a user with three
    /// empty patterns may open it too.
    pub(crate) fn may_open(&self, virtual_host: &str) -> bool {
        self.permissions.contains_key(virtual_host)
    }

    /// The permissions in a virtual host; without any, nothing is allowed.
    pub(crate) fn permissions(&self, virtual_host: &str) -> Option<&Permissions> {
        self.permissions.get(virtual_host)
    }

    /// The restrictions of a topic exchange; without any, all routing keys are allowed.
    pub(crate) fn topic_patterns(
        &self,
        virtual_host: &str,
        exchange: &str,
    ) -> Option<&TopicPatterns> {
        self.topics.get(virtual_host)?.get(exchange)
    }

    /// Whether the user may publish with this `user_id`: its own, or any for an impersonator.
    pub(crate) fn may_publish_as(&self, user_id: &str) -> bool {
        self.name == user_id || self.has_tag(IMPERSONATOR)
    }
}

const IMPERSONATOR: &str = "impersonator";

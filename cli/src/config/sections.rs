use serde::Deserialize;
use springhare_broker::BrokerConfig;

use crate::values::Seconds;

/// `[limits]`: what counts bytes or things, by the names of the broker's [`BrokerConfig`].
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsSection {
    memory_high_watermark: Option<u64>,
    memory_paging_watermark: Option<u64>,
    disk_free_limit: Option<u64>,
    disk_free_hard_limit: Option<u64>,
    journal_backlog_max_bytes: Option<usize>,
    confirms_max: Option<usize>,
    max_message_size: Option<usize>,
    frame_max: Option<usize>,
    channel_max: Option<usize>,
    connection_max: Option<usize>,
    outbox_max_bytes: Option<usize>,
    returned_messages_max: Option<usize>,
    delayed_max_bytes: Option<u64>,
    unfinished_max_bytes: Option<u64>,
    connection_unfinished_max_bytes: Option<u64>,
    output_max_bytes: Option<usize>,
    deliveries_max_bytes: Option<usize>,
    handshakes_max: Option<usize>,
    transaction_max_bytes: Option<usize>,
    quorum_delivery_limit: Option<i64>,
}

/// `[server]`: how the server meets its clients, by the same names.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerSection {
    product: Option<String>,
    version: Option<String>,
    cluster_name: Option<String>,
    heartbeat: Option<u16>,
    handshake_timeout: Option<Seconds>,
    login_failure_delay: Option<Seconds>,
    close_timeout: Option<Seconds>,
    unfinished_timeout: Option<Seconds>,
}

impl LimitsSection {
    /// Sets the limits that are given.
    pub(crate) fn apply(self, config: &mut BrokerConfig) {
        set(&mut config.memory_high_watermark, self.memory_high_watermark);
        set(&mut config.memory_paging_watermark, self.memory_paging_watermark);
        set(&mut config.disk_free_limit, self.disk_free_limit);
        set(&mut config.disk_free_hard_limit, self.disk_free_hard_limit);
        set(&mut config.journal_backlog_max_bytes, self.journal_backlog_max_bytes);
        set(&mut config.confirms_max, self.confirms_max);
        set(&mut config.max_message_size, self.max_message_size);
        set(&mut config.frame_max, self.frame_max);
        set(&mut config.channel_max, self.channel_max);
        set(&mut config.connection_max, self.connection_max);
        set(&mut config.outbox_max_bytes, self.outbox_max_bytes);
        set(&mut config.returned_messages_max, self.returned_messages_max);
        set(&mut config.delayed_max_bytes, self.delayed_max_bytes);
        set(&mut config.unfinished_max_bytes, self.unfinished_max_bytes);
        let of_connection = self.connection_unfinished_max_bytes;
        set(&mut config.connection_unfinished_max_bytes, of_connection);
        set(&mut config.output_max_bytes, self.output_max_bytes);
        set(&mut config.deliveries_max_bytes, self.deliveries_max_bytes);
        set(&mut config.handshakes_max, self.handshakes_max);
        set(&mut config.transaction_max_bytes, self.transaction_max_bytes);
        set(&mut config.quorum_delivery_limit, self.quorum_delivery_limit);
    }
}

impl ServerSection {
    /// Sets what is given.
    pub(crate) fn apply(self, config: &mut BrokerConfig) {
        set(&mut config.product, self.product);
        set(&mut config.version, self.version);
        set(&mut config.cluster_name, self.cluster_name);
        set(&mut config.heartbeat, self.heartbeat);
        set(&mut config.handshake_timeout, self.handshake_timeout.map(|time| time.0));
        set(&mut config.login_failure_delay, self.login_failure_delay.map(|time| time.0));
        set(&mut config.close_timeout, self.close_timeout.map(|time| time.0));
        set(&mut config.unfinished_timeout, self.unfinished_timeout.map(|time| time.0));
    }
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of the broker's configuration as it prints itself: name and value.
    fn fields(config: &BrokerConfig) -> Vec<(String, String)> {
        let text = format!("{config:#?}");
        let lines = text.lines().filter_map(|line| line.trim().split_once(": "));
        let value = |value: &str| value.trim_end_matches(',').to_owned();
        lines.map(|(name, rest)| (name.to_owned(), value(rest))).collect()
    }

    /// Guards against a field that is forgotten here: each can be set, in one of the two tables.
    #[test]
    fn everything_that_the_broker_can_be_told_can_be_set() {
        let defaults = fields(&BrokerConfig::default());
        assert!(defaults.len() >= 17, "{defaults:?}");
        for (name, default) in &defaults {
            let (written, expected) = match default {
                text if text.starts_with('"') => ("\"other\"", "\"other\""),
                time if time.ends_with('s') => ("77.5", "77.5s"),
                _ => ("101", "101"),
            };
            let file = format!("{name} = {written}");
            let mut config = BrokerConfig::default();
            match toml::from_str::<LimitsSection>(&file) {
                Ok(limits) => limits.apply(&mut config),
                Err(_) => toml::from_str::<ServerSection>(&file).unwrap().apply(&mut config),
            }
            let set = fields(&config);
            let value =
                set.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
            assert_eq!(value, Some(expected), "{name}");
            let changed = set.iter().zip(&defaults).filter(|(now, before)| now != before).count();
            assert_eq!(changed, 1, "{name}");
        }
    }
}

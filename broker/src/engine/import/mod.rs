//! Definitions into a broker: all of them or nothing, and into what is there already.
//!
//! First everything is held against the broker while nobody can declare anything: what is wrong is
//! noted, and nothing is changed. Only when nothing is wrong the rest is done, in which nothing can
//! fail.

mod host;
mod twins;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

use springhare_amqp::ShortString;

use self::host::ImportingHost;
use self::twins::WriteArguments;
use self::users::ImportingUsers;
use super::broker_cell::BrokerCell;
use super::virtual_host::VirtualHost;
use crate::model::definitions::{
    At, Definitions, DefinitionsError, FaultKind, GivenOptions, Imported, In, Report,
};
use crate::model::virtual_host::VirtualHostOptions;
use crate::store::Failure;

/// The virtual hosts that a file is about, by name: those that are there, and new ones.
type Hosts = BTreeMap<ShortString, Arc<VirtualHost>>;

impl BrokerCell {
    /// Imports definitions, of which `report` has what is wrong with them by themselves and
    /// `write` tells what a file says of arguments.
    ///
    /// # Errors
    ///
    /// All that is wrong, and nothing has changed.
    pub(crate) fn import(
        &self,
        definitions: Definitions,
        mut report: Report,
        write: WriteArguments,
    ) -> Result<Imported, DefinitionsError> {
        let _administration = self.administration();
        if let Some(failure) = self.shared().journal().and_then(|journal| journal.failure()) {
            report.fault("$", FaultKind::Refused { text: failure.to_string() });
        }
        let mut imported = count(&definitions);
        let hosts = self.hosts_of(&definitions);
        let Definitions {
            virtual_hosts,
            users,
            user_names,
            permissions,
            topic_permissions,
            limits,
            policies,
            exchanges,
            queues,
            bindings,
            global_parameters,
        } = definitions;
        let mut importing = ImportingUsers::check(self, users, user_names, &mut report);
        each(permissions, &hosts, &mut report, |_, entry, report| {
            importing.check_permissions(entry, report);
        });
        each(topic_permissions, &hosts, &mut report, |_, entry, report| {
            importing.check_topics(entry, report);
        });
        let users = importing;
        // In the order of their names, as everybody does who keeps several writers waiting.
        let begun =
            hosts.iter().map(|(name, host)| (name.clone(), ImportingHost::begin(host, write)));
        let mut importing: BTreeMap<ShortString, ImportingHost<'_>> = begun.collect();
        // Exchanges before the bindings from them, queues before those to them.
        each(limits, &hosts, &mut report, |name, entry, _| {
            importing.entry(name).and_modify(|host| host.limit(entry.item));
        });
        each(policies, &hosts, &mut report, |name, entry, report| {
            importing.entry(name).and_modify(|host| host.add_policy(entry, report));
        });
        each(exchanges, &hosts, &mut report, |name, entry, report| {
            importing.entry(name).and_modify(|host| host.check_exchange(&entry, report));
        });
        each(queues, &hosts, &mut report, |name, entry, report| {
            importing.entry(name).and_modify(|host| host.check_queue(&entry, report));
        });
        each(bindings, &hosts, &mut report, |name, entry, report| {
            importing.entry(name).and_modify(|host| host.check_binding(&entry, report));
        });
        for host in importing.values() {
            host.check_queue_limit(&mut report);
        }
        imported.warnings = report.finish()?;
        // A file that the store takes in part is imported in part after a crash, and can be again.
        let written = self.write_hosts(&hosts);
        let changed: Vec<_> = importing.into_values().filter_map(ImportingHost::apply).collect();
        self.apply_hosts(virtual_hosts, &hosts);
        users.apply();
        self.set_global_parameters(global_parameters);
        if let Err(failure) = written.and_then(|()| self.write_administration()) {
            tracing::error!(%failure, "what was imported is gone when the broker is started again");
        }
        // No writer is kept waiting any more: what dies by a policy goes to other queues.
        changed.into_iter().for_each(|host| host.apply_policies());
        Ok(imported)
    }

    /// The virtual hosts that are in the broker or in the file.
    fn hosts_of(&self, definitions: &Definitions) -> Hosts {
        let mut hosts = Hosts::clone(&self.virtual_hosts());
        for At { item: (name, options), .. } in &definitions.virtual_hosts {
            hosts.entry(name.clone()).or_insert_with(|| {
                let options = options.clone().over(VirtualHostOptions::default());
                VirtualHost::new(name.clone(), options, Arc::clone(self.shared()))
            });
        }
        hosts
    }

    /// Writes those that are new before anything is declared in them.
    fn write_hosts(&self, hosts: &Hosts) -> Result<(), Failure> {
        let present = self.virtual_hosts();
        let mut new = hosts.iter().filter(|(name, _)| !present.contains_key(*name));
        new.try_for_each(|(_, host)| self.write_virtual_host(host))
    }

    /// Adds those that are new, and gives the others the options of the file.
    fn apply_hosts(&self, given: Vec<At<(ShortString, GivenOptions)>>, hosts: &Hosts) {
        for At { item: (name, options), .. } in given {
            if let Some(host) = hosts.get(&name) {
                let present = VirtualHostOptions::clone(&host.options());
                host.set_options(options.over(present));
            }
        }
        let present = self.virtual_hosts();
        let new = hosts.iter().filter(|(name, _)| !present.contains_key(*name));
        self.add_virtual_hosts(new.map(|(_, host)| Arc::clone(host)));
    }
}

/// Looks at each entry that is in a virtual host which there is.
fn each<T>(
    entries: Vec<In<T>>,
    hosts: &Hosts,
    report: &mut Report,
    mut look: impl FnMut(ShortString, In<T>, &mut Report),
) {
    for entry in entries {
        let name = entry.virtual_host.clone();
        if hosts.contains_key(&name) {
            look(name, entry, report);
        } else {
            let kind = FaultKind::UnknownVirtualHost { name: name.to_string() };
            report.fault(format!("{}.vhost", entry.path), kind);
        }
    }
}

fn count(definitions: &Definitions) -> Imported {
    Imported {
        virtual_hosts: definitions.virtual_hosts.len(),
        users: definitions.users.len(),
        permissions: definitions.permissions.len() + definitions.topic_permissions.len(),
        policies: definitions.policies.len(),
        exchanges: definitions.exchanges.len(),
        queues: definitions.queues.len(),
        bindings: definitions.bindings.len(),
        warnings: Vec::new(),
    }
}

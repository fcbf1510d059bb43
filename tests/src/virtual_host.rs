use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::RabbitMq;

/// A virtual host of a RabbitMQ, with nothing in it, for `guest`.
#[derive(Debug)]
pub struct VirtualHost {
    rabbitmq: &'static RabbitMq,
    name: String,
}

impl VirtualHost {
    /// Adds one, under a name that no other has. Blocks its thread.
    ///
    /// # Errors
    ///
    /// When the node does not do it.
    pub fn add(rabbitmq: &'static RabbitMq) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let name = format!("vhost{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let host = Self { rabbitmq, name };
        let name = &host.name;
        host.evaluate(&format!(
            "rabbit_vhost:add(<<\"{name}\">>, <<\"test\">>), \
             rabbit_auth_backend_internal:set_permissions(<<\"guest\">>, <<\"{name}\">>, \
             <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"test\">>)"
        ))?;
        Ok(host)
    }

    /// Where it is, with user and password: what `SPRINGHARE_URL` takes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/{}", self.rabbitmq.address(), self.name)
    }

    /// Removes it with all that is in it, and closes its connections. Blocks its thread.
    ///
    /// # Errors
    ///
    /// When the node does not do it.
    pub fn delete(self) -> io::Result<()> {
        self.evaluate(&format!("rabbit_vhost:delete(<<\"{}\">>, <<\"test\">>)", self.name))
    }

    fn evaluate(&self, expression: &str) -> io::Result<()> {
        self.rabbitmq.node().evaluate(expression).map(drop)
    }
}

use crate::model::arguments::QueueType;

/// What is known of a virtual host beside what is in it: RabbitMQ's metadata.
///
/// ```
/// use springhare_broker::{Broker, QueueType, VirtualHostOptions};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let broker = Broker::builder().start()?;
/// let options = VirtualHostOptions {
///     description: "Orders and invoices".to_owned(),
///     default_queue_type: Some(QueueType::Quorum),
///     ..VirtualHostOptions::default()
/// };
/// broker.add_virtual_host("orders", options).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirtualHostOptions {
    /// What it is for, for people.
    pub description: String,
    /// Words by which people find it.
    pub tags: Vec<String>,
    /// The type of queues that are declared without one, if what else is declared can have it: a
    /// queue that is not durable stays classic.
    pub default_queue_type: Option<QueueType>,
}

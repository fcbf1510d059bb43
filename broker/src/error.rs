/// Why a broker does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit of the [`BrokerConfig`](crate::BrokerConfig) is 0, and nothing could ever pass.
    #[error("the limit '{name}' is 0, so that nothing could ever pass: set it to 1 or more")]
    ZeroLimit {
        /// The limit's name in the configuration.
        name: &'static str,
    },
}

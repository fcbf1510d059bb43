//! The builder's words for settings: where they are read, and those that it gives itself.

use std::panic::Location;
use std::path::PathBuf;

use springhare_broker::Clock;

use super::SpringhareBuilder;
use crate::error::Place;
use crate::settings::{ConfigFile, Environment, ListenerSettings};

impl SpringhareBuilder {
    /// Reads the settings in this file, which must be there. Without it that is the file that the
    /// environment's `SPRINGHARE_CONFIG` names, and without that `springhare.toml` in the working
    /// directory, if it is there.
    ///
    /// A file is weaker than the environment, which is weaker than the builder. What can stand in it
    /// is told in `docs/configuration.md`; what it says that nobody knows keeps the application from
    /// starting.
    ///
    /// ```
    /// use springhare::Springhare;
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder().config("shop.toml").start().await?;
    /// # app.stop().await
    /// # }
    /// ```
    pub fn config(mut self, file: impl Into<PathBuf>) -> Self {
        self.config = ConfigFile::Named(file.into());
        self
    }

    /// Reads what the builder names, and nothing of what is round the process.
    pub(crate) fn by_itself(mut self) -> Self {
        if self.config == ConfigFile::Found {
            self.config = ConfigFile::OfEnvironment;
        }
        self.environment.get_or_insert_default();
        self
    }

    /// Takes brokers in this process, on this clock, for those that only the settings know where to
    /// find and that have a name.
    pub(crate) fn with_stand_ins(mut self, clock: Clock) -> Self {
        self.stand_ins = Some(clock);
        self
    }

    /// Takes these variables for the environment, in place of the process's: for settings and for
    /// placeholders.
    ///
    /// ```
    /// use springhare::Springhare;
    ///
    /// let builder = Springhare::builder().environment([("SPRINGHARE_URL", "embedded:")]);
    /// # drop(builder);
    /// ```
    pub fn environment<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.environment = Some(Environment::of(variables));
        self
    }

    /// What holds for all listeners that say nothing else themselves.
    ///
    /// ```
    /// use springhare::Springhare;
    ///
    /// let builder = Springhare::builder().listener_defaults(|all| all.prefetch(50));
    /// # drop(builder);
    /// ```
    pub fn listener_defaults(
        mut self,
        set: impl FnOnce(ListenerSettings) -> ListenerSettings,
    ) -> Self {
        self.settings.defaults = set(std::mem::take(&mut self.settings.defaults));
        self
    }

    /// Settings under a name, for the listeners with `profile = "bulk"`. They are stronger than
    /// the defaults, and weaker than what the listener's attribute says itself.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// #[rabbit_listener(queue = "rows", profile = "bulk")]
    /// async fn store(_row: Bytes) {}
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder()
    ///     .listeners(listeners![store])
    ///     .profile("bulk", |bulk| bulk.prefetch(1000))
    ///     .start()
    ///     .await?;
    /// # app.stop().await
    /// # }
    /// ```
    pub fn profile(
        mut self,
        name: impl Into<String>,
        set: impl FnOnce(ListenerSettings) -> ListenerSettings,
    ) -> Self {
        let profile = self.settings.profiles.entry(name.into()).or_default();
        *profile = set(std::mem::take(profile));
        self
    }

    /// Settings of the listener of this id. Nothing is stronger, its attribute neither.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// #[rabbit_listener(id = "orders", queue = "orders", concurrency = 4)]
    /// async fn fulfil(_order: Bytes) {}
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder()
    ///     .listeners(listeners![fulfil])
    ///     .listener("orders", |orders| orders.concurrency(1).prefetch(1))
    ///     .start()
    ///     .await?;
    /// # app.stop().await
    /// # }
    /// ```
    #[track_caller]
    pub fn listener(
        mut self,
        id: impl Into<String>,
        set: impl FnOnce(ListenerSettings) -> ListenerSettings,
    ) -> Self {
        let caller = Location::caller();
        let place = Place { file: caller.file(), line: caller.line() };
        let new = || (ListenerSettings::default(), place);
        let (settings, _) = self.settings.listeners.entry(id.into()).or_insert_with(new);
        *settings = set(std::mem::take(settings));
        self
    }

    /// What the broker shows the application's connections as, in front of what each is for:
    /// `shop listeners`, `shop publisher`, and `shop template` for what is received one by one. Without it that is `springhare`.
    ///
    /// ```
    /// use springhare::Springhare;
    ///
    /// let builder = Springhare::builder().name("shop");
    /// # drop(builder);
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.rabbitmq.connection_name = Some(name.into());
        self
    }

    /// The exchange of messages whose route is a text alone, which is a key then and no queue's name;
    /// without it that is the default exchange.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// # async fn example() -> springhare::Result<()> {
    /// let app = Springhare::builder()
    ///     .declare(Exchange::topic("shop"))
    ///     .template_exchange("shop")
    ///     .start()
    ///     .await?;
    /// app.rabbit_template().convert_and_send("orders.new", "tea").await?;
    /// # app.stop().await
    /// # }
    /// ```
    pub fn template_exchange(mut self, exchange: impl Into<String>) -> Self {
        self.settings.template.exchange = Some(exchange.into());
        self
    }
}

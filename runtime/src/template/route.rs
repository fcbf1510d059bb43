use springhare_amqp::{ShortString, ShortStringTooLong};

/// Where a message goes: an exchange and a routing key.
///
/// Most callers write a route as a text or a pair, see [`IntoRoute`]; one that is used often can
/// be made once and cloned.
///
/// ```
/// use springhare::Route;
///
/// let route = Route::new("logs", "kern.error")?;
/// assert_eq!(route.exchange(), "logs");
/// assert_eq!(route.routing_key(), "kern.error");
/// # Ok::<(), springhare::amqp::ShortStringTooLong>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Route {
    exchange: ShortString,
    routing_key: ShortString,
    /// Neither an exchange nor a queue was named: what the template's defaults are for.
    by_default: bool,
}

impl Route {
    /// A route through `exchange`, by `routing_key`.
    ///
    /// # Errors
    ///
    /// [`ShortStringTooLong`] when one of them has more than 255 bytes.
    pub fn new(
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
    ) -> Result<Self, ShortStringTooLong> {
        Ok(Self {
            exchange: ShortString::new(exchange)?,
            routing_key: ShortString::new(routing_key)?,
            by_default: false,
        })
    }

    /// A route to the template's default exchange, by this key.
    fn by_default(routing_key: impl AsRef<str>) -> Result<Self, ShortStringTooLong> {
        Ok(Self { by_default: true, ..Self::to_queue(routing_key)? })
    }

    /// A route to the queue of this name, through the default exchange.
    ///
    /// # Errors
    ///
    /// [`ShortStringTooLong`] when the name has more than 255 bytes.
    pub fn to_queue(queue: impl AsRef<str>) -> Result<Self, ShortStringTooLong> {
        Self::new("", queue)
    }

    /// The exchange; empty for the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &str {
        &self.exchange
    }

    /// The routing key.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.routing_key
    }

    /// Exchange and key; these where it does not name its own.
    pub(crate) fn or(
        self,
        exchange: &ShortString,
        routing_key: &ShortString,
    ) -> (ShortString, ShortString) {
        if !self.by_default {
            return self.into_parts();
        }
        let key = if self.routing_key.is_empty() { routing_key.clone() } else { self.routing_key };
        (exchange.clone(), key)
    }

    pub(crate) fn into_parts(self) -> (ShortString, ShortString) {
        (self.exchange, self.routing_key)
    }
}

/// What names a route: `"queue"` for the default exchange, or `("exchange", "key")`. `()` is the
/// template's own route, for an application that
/// [sends along one](crate::SpringhareBuilder::template_exchange).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no route",
    note = "a route is a queue's name, `\"orders\"`, or an exchange and a key, \
            `(\"logs\", \"kern.error\")`"
)]
pub trait IntoRoute {
    /// The route.
    ///
    /// # Errors
    ///
    /// [`ShortStringTooLong`] when a name has more than 255 bytes.
    fn into_route(self) -> Result<Route, ShortStringTooLong>;
}

impl IntoRoute for Route {
    fn into_route(self) -> Result<Route, ShortStringTooLong> {
        Ok(self)
    }
}

impl IntoRoute for &Route {
    fn into_route(self) -> Result<Route, ShortStringTooLong> {
        Ok(self.clone())
    }
}

/// A short string is a name that was checked: a queue's, whatever the defaults.
impl IntoRoute for ShortString {
    fn into_route(self) -> Result<Route, ShortStringTooLong> {
        Route::to_queue(self)
    }
}

macro_rules! texts {
    ($($name:ty),+) => {$(
        impl IntoRoute for $name {
            fn into_route(self) -> Result<Route, ShortStringTooLong> {
                Route::by_default(self)
            }
        }
    )+};
}

texts!(&str, String, &String);

impl IntoRoute for () {
    fn into_route(self) -> Result<Route, ShortStringTooLong> {
        Route::by_default("")
    }
}

impl<E: AsRef<str>, K: AsRef<str>> IntoRoute for (E, K) {
    fn into_route(self) -> Result<Route, ShortStringTooLong> {
        Route::new(self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_through_the_default_exchange() {
        let route = "orders".into_route().unwrap();
        assert_eq!((route.exchange(), route.routing_key()), ("", "orders"));
        let route = ("logs", String::from("a.b")).into_route().unwrap();
        assert_eq!((route.exchange(), route.routing_key()), ("logs", "a.b"));
    }

    #[test]
    fn the_defaults_are_for_those_that_name_no_exchange() {
        let (exchange, key) = (ShortString::from_static("shop"), ShortString::from_static("new"));
        let parts = |route: Route| {
            let (exchange, key) = route.or(&exchange, &key);
            format!("{exchange}/{key}")
        };
        assert_eq!(parts("paid".into_route().unwrap()), "shop/paid");
        assert_eq!(parts(().into_route().unwrap()), "shop/new");
        assert_eq!(parts(("", "paid").into_route().unwrap()), "/paid");
        assert_eq!(parts(Route::to_queue("paid").unwrap()), "/paid");
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        assert!("q".repeat(256).into_route().is_err());
        assert!(("logs", "k".repeat(256)).into_route().is_err());
    }
}

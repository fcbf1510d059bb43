//! The macros by example.

/// Names listeners by their functions, for
/// [`SpringhareBuilder::listeners`](crate::SpringhareBuilder::listeners).
///
/// ```
/// use springhare::prelude::*;
///
/// mod orders {
///     use springhare::prelude::*;
///
///     #[rabbit_listener(queue = "orders")]
///     pub async fn fulfil(order: Text) {}
/// }
///
/// #[rabbit_listener(queue = "errors")]
/// async fn on_error(line: Text) {}
///
/// # async fn example() -> springhare::Result<()> {
/// let app =
///     Springhare::builder().listeners(listeners![orders::fulfil, on_error]).start().await?;
/// # app.stop().await
/// # }
/// ```
#[macro_export]
macro_rules! listeners {
    ($($function:path),* $(,)?) => {
        {
            let endpoints: ::std::vec::Vec<
                &'static [&'static $crate::__private::RabbitListenerEndpoint],
            > = ::std::vec![$(<$function as $crate::__private::ListenerItem>::ENDPOINTS),*];
            endpoints
        }
    };
}

/// Links a crate in of which nothing else is used, so that its listeners are found.
///
/// ```text
/// springhare::link!(shop_listeners);
/// ```
#[macro_export]
macro_rules! link {
    ($($name:ident),+ $(,)?) => {
        $( extern crate $name as _; )+
    };
}

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use springhare_broker::Publish;
use tokio::sync::oneshot;

use super::{Outcome, prepare, read, within};
use crate::error::{CallError, Error};
use crate::middleware::{LayerFuture, NextPublish};
use crate::template::RabbitTemplate;

/// A call whose request goes through the publish layers: they go round the sending, not round the wait for
/// the reply.
pub(super) async fn call(
    template: &RabbitTemplate,
    request: Publish,
    timeout: Duration,
    is_correlated: bool,
) -> Outcome {
    let call = through_layers(template, request, timeout, is_correlated);
    read(template, within(template, timeout, call).await?)
}

async fn through_layers(
    template: &RabbitTemplate,
    request: Publish,
    timeout: Duration,
    is_correlated: bool,
) -> Outcome {
    let (hand, handed) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let send = move |request| -> LayerFuture<'_> {
        Box::pin(async move {
            // Both are there for as long as the layers are polled.
            hand.send(request).map_err(|_| Error::Stopped)?;
            told.await.unwrap_or(Err(Error::Stopped))
        })
    };
    let mut layers = NextPublish::new(&template.middleware().layers, send).run(request);
    let mut request = tokio::select! {
        biased;
        said = &mut layers => return Err(said.map_or_else(of_a_layer, |()| CallError::Withheld)),
        Ok(request) = handed => request,
    };
    let chosen = prepare(&mut request, is_correlated);
    let tell = Mutex::new(Some(tell));
    let teller = || tell.lock().unwrap_or_else(PoisonError::into_inner).take();
    // A layer may have given the wait up.
    let sent = || drop(teller().map(|tell| tell.send(Ok(()))));
    let mut calling = pin!(template.shared.calls.call(request, chosen, timeout, sent));
    tokio::select! {
        biased;
        said = &mut layers => match said {
            Ok(()) => calling.await,
            Err(error) => Err(of_a_layer(error)),
        },
        outcome = &mut calling => match (outcome, teller()) {
            (Err(error), Some(tell)) => {
                let _ = tell.send(Err(error.into()));
                Err(layers.await.map_or_else(of_the_request, |()| CallError::Withheld))
            }
            // What a layer does once the request is sent belongs to the call.
            (outcome, tell) => {
                drop(tell.map(|tell| tell.send(Ok(()))));
                layers.await.map_err(of_a_layer)?;
                outcome
            }
        },
    }
}

/// A layer's own error.
fn of_a_layer(error: Error) -> CallError {
    CallError::Request(Box::new(error))
}

/// Why the request could not be sent, where a layer has not made another error of it.
fn of_the_request(error: Error) -> CallError {
    match error {
        Error::Unroutable(returned) => CallError::Unroutable(returned),
        Error::NoExchange(error) => CallError::NoExchange(error),
        Error::Amqp(error) => CallError::Refused(error),
        Error::Stopped => CallError::Stopped,
        Error::Call(error) => *error,
        other => of_a_layer(other),
    }
}

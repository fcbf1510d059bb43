//! A connection whose runtime has ended.

use springhare::connection::PublishError;
use springhare_broker::Broker;
use tokio::runtime::{Builder, Runtime};

use crate::support::{connect, publish, queue, send, served};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_publish_over_a_connection_whose_runtime_has_ended_fails() {
    let (of_the_broker, first, second) =
        (Builder::new_multi_thread().worker_threads(1).enable_all().build(), runtime(), runtime());
    let of_the_broker = of_the_broker.unwrap();
    let (_broker, address) = of_the_broker.block_on(async { served(Broker::builder()) });
    let (connection, publisher) = first.block_on(async {
        let connection = connect(address).await;
        let channel = connection.open_channel().await.unwrap();
        let queue = queue(&*channel).await;
        let publisher = connection.publisher().await.unwrap();
        send(&publisher, publish("", &queue, "1")).await.unwrap();
        (connection, publisher)
    });
    drop(first);
    let error = second.block_on(send(&publisher, publish("", "q", "2"))).unwrap_err();
    assert!(matches!(error, PublishError::NotSent(_)), "{error:?}");
    assert!(connection.closed().is_some());
}

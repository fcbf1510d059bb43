use std::error::Error;
use std::net::{SocketAddr, TcpListener};

use springhare::connection::{Address, AmqpLink, ConnectError, Link, LinkError};
use springhare_tests::within_limit;

use crate::fake::FakeBroker;
use crate::support::{on_both, served};
use springhare_broker::Broker;

/// Why no connection comes about with this URI, and what is said of it.
async fn refused(uri: &str) -> (LinkError, String) {
    let address: Address = uri.parse().unwrap();
    let Address::Amqp(addresses) = address else { panic!("{uri}") };
    let connecting = AmqpLink::new(addresses);
    let error = within_limit("the attempt", connecting.connect("test")).await.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains("s3cret"), "{text}");
    (error, text)
}

fn source(error: &LinkError) -> &ConnectError {
    let LinkError::Connect { source, .. } = error else { panic!("{error:?}") };
    let source: &(dyn Error + Send + Sync) = &**source;
    source.downcast_ref().unwrap()
}

#[tokio::test]
async fn a_wrong_password_is_told_with_the_user_and_the_remedy() {
    on_both(async |address: SocketAddr| {
        let (error, text) = refused(&format!("amqp://guest:s3cret@{address}")).await;
        assert!(matches!(source(&error), ConnectError::CredentialsRefused { .. }), "{error:?}");
        assert!(error.is_login_refused());
        for part in [&address.to_string(), "user 'guest'", "403 ACCESS_REFUSED", "correct them"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_virtual_host_is_told_with_its_name() {
    on_both(async |address: SocketAddr| {
        let (error, text) = refused(&format!("amqp://guest:guest@{address}/nowhere")).await;
        assert!(matches!(source(&error), ConnectError::VirtualHostRefused { .. }), "{error:?}");
        assert!(error.is_login_refused());
        for part in ["virtual host 'nowhere'", "530 NOT_ALLOWED", "not found", "%2F"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (error, text) = refused(&format!("amqp://guest:s3cret@{free}")).await;
    assert!(matches!(source(&error), ConnectError::Unreachable { .. }), "{error:?}");
    assert!(text.contains("is the broker running") && text.contains(&free.to_string()), "{text}");
    assert!(!error.is_login_refused());
}

#[tokio::test]
async fn what_answers_and_is_no_broker_is_told() {
    for (answer, part) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP/1.1 400 Bad"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH-2.0"),
        (b"AMQP\x00\x01\x00\x00", "AMQP 1.0.0"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "use amqps://"),
        (b"", "was closed while logging in"),
    ] {
        let broker = FakeBroker::start().await;
        let uri = format!("amqp://guest:s3cret@{}", broker.address());
        let ((error, text), ()) = tokio::join!(refused(&uri), async {
            let mut peer = broker.accept().await;
            peer.header().await;
            peer.bytes(answer).await;
        });
        assert!(text.contains(part), "{text}");
        assert!(!error.is_login_refused());
    }
}

#[tokio::test]
async fn the_next_address_of_a_list_is_taken() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_broker, address) = served(Broker::builder());
    let uri = format!("amqp://{free}, amqp://{address}");
    let Ok(Address::Amqp(addresses)) = uri.parse() else { panic!("{uri}") };
    let connection = AmqpLink::new(addresses).connect("test").await.unwrap();
    assert!(connection.closed().is_none());
    let (error, _) = refused(&format!("amqp://a:s3cret@{free},amqp://b:s3cret@{address}")).await;
    assert!(error.is_login_refused(), "the refusal says most: {error}");
}

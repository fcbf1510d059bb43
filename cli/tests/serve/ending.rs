use rustix::process::Signal;

use crate::harness::Springhare;
use crate::login::{CLOSE, Client, OPEN_OK, TUNE};

async fn open_connection(server: &mut Springhare) -> Client {
    let mut client = Client::connect(server.address().await).await;
    client.log_in("guest", "guest", "idle").await;
    client.receive(TUNE).await;
    client.open().await;
    client.receive(OPEN_OK).await;
    client
}

#[tokio::test]
async fn either_signal_ends_it_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Springhare::serve(&[]);
        server.ready_line().await;
        server.signal(signal);
        let ended = server.ended().await;
        assert_eq!(ended.code, Some(0), "{signal:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_signal_closes_connections_with_320() {
    let mut server = Springhare::serve(&["--shutdown-timeout", "0.2"]);
    let mut client = open_connection(&mut server).await;
    server.signal(Signal::TERM);
    let arguments = client.receive(CLOSE).await;
    assert_eq!(arguments[..2], 320_u16.to_be_bytes());
    // The client never says close-ok; the server does not wait for ever.
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut server = Springhare::serve(&["--shutdown-timeout", "1000"]);
    let mut client = open_connection(&mut server).await;
    server.signal(Signal::TERM);
    client.receive(CLOSE).await;
    server.signal(Signal::TERM);
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(128 + 15), "{ended:?}");
}

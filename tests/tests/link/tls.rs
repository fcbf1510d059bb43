use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use springhare::connection::{Address, AmqpLink, ConnectError, Link, LinkError};
use springhare_broker::{Broker, Publish, TlsConfig, TlsFiles};
use springhare_rabbitmq::{Node, Process, is_left_out};
use springhare_tests::within_limit;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::support::{publish, send};

const BURSTS: usize = 60;
/// More than the sockets on the way have room for.
const BURST_BYTES: usize = 3 << 20;
const LINE_BYTES: u32 = 16 << 10;

/// An authority, and certificates of it for the broker (`localhost`) and for a client.
struct Certificates {
    directory: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "springhare test authority");
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let certificates = Self { directory };
        certificates.write("ca.pem", &authority.pem());
        for name in ["localhost", "client"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            certificates.write(&format!("{name}.pem"), &certificate.pem());
            certificates.write(&format!("{name}.key"), &key.serialize_pem());
        }
        certificates
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Our broker, which wants a certificate of its clients.
    fn serve(&self) -> (Broker, u16) {
        let tls = TlsConfig::from_pem_files(TlsFiles {
            certificates: self.path("localhost.pem"),
            key: self.path("localhost.key"),
            client_ca: Some(self.path("ca.pem")),
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let broker = Broker::builder().listen_tls(address, tls.unwrap()).start().unwrap();
        let port = broker.local_addrs()[0].port();
        (broker, port)
    }

    /// A URI that presents the client's certificate.
    fn uri(&self, host: &str, port: u16, more: &str) -> String {
        let file = |name: &str| self.path(name).display().to_string();
        format!(
            "amqps://guest:guest@{host}:{port}?cacertfile={}&certfile={}&keyfile={}{more}",
            file("ca.pem"),
            file("client.pem"),
            file("client.key"),
        )
    }
}

fn link(uri: &str) -> AmqpLink {
    match uri.parse().unwrap() {
        Address::Amqp(addresses) => AmqpLink::new(addresses),
        other => panic!("{other:?}"),
    }
}

async fn works(uri: &str) {
    let connecting = link(uri);
    let connection = within_limit("the connection", connecting.connect("tls")).await.unwrap();
    let channel = connection.open_channel().await.unwrap();
    let body = vec![7; 300_000];
    let queue = channel.queue_declare("", Default::default()).await.unwrap().queue;
    let message = springhare_amqp::Message::new(body.clone());
    channel.basic_publish("", &queue, Default::default(), message).await.unwrap();
    let got = springhare_tests::eventually("the message", async || {
        channel.basic_get(&queue, springhare_broker::NoAck::Yes).await.unwrap()
    });
    assert_eq!(got.await.delivery.message.message.body, body);
    channel.queue_delete(&queue, Default::default()).await.unwrap();
    connection.close().await.unwrap();
}

async fn refused(uri: &str) -> String {
    let connecting = link(uri);
    let error = within_limit("the attempt", connecting.connect("tls")).await.unwrap_err();
    assert!(matches!(error, LinkError::Connect { .. }), "{error:?}");
    error.to_string()
}

async fn cases(certificates: &Certificates, port: u16) {
    works(&certificates.uri("localhost", port, "")).await;
    // The certificate is made out to `localhost`, and not to this.
    let other_host = refused(&certificates.uri("127.0.0.1", port, "")).await;
    assert!(other_host.contains("TLS failed") && other_host.contains("127.0.0.1"), "{other_host}");
    works(&certificates.uri("127.0.0.1", port, "&server_name_indication=localhost")).await;
    // Nobody that the system trusts has signed it.
    let stranger = refused(&format!("amqps://guest:guest@localhost:{port}")).await;
    assert!(stranger.contains("UnknownIssuer") && stranger.contains("cacertfile"), "{stranger}");
    // In plain text.
    let plain = refused(&format!("amqp://guest:guest@localhost:{port}")).await;
    assert!(plain.contains("use amqps://"), "{plain}");
}

#[tokio::test]
async fn tls_trusts_whom_it_is_told_to() {
    let certificates = Certificates::new();
    let (_broker, port) = certificates.serve();
    cases(&certificates, port).await;
    // Without a certificate of its own; TLS 1.3 tells a client only once it reads.
    let ca = certificates.path("ca.pem").display().to_string();
    let nobody = refused(&format!("amqps://guest:guest@localhost:{port}?cacertfile={ca}")).await;
    assert!(nobody.to_lowercase().contains("certificate"), "{nobody}");
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let certificates = Certificates::new();
    let (_broker, address) = crate::support::served(Broker::builder());
    let text = refused(&certificates.uri("localhost", address.port(), "")).await;
    assert!(text.contains("TLS failed") && text.contains("amqp://"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_missing_is_named_before_anybody_is_asked() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let uri = format!("amqps://localhost:{}?cacertfile=/nowhere/ca.pem", free.port());
    let error = link(&uri).connect("tls").await.unwrap_err();
    let LinkError::Connect { source, .. } = &error else { panic!("{error:?}") };
    let source: &(dyn std::error::Error + Send + Sync) = &**source;
    let source = source.downcast_ref::<ConnectError>().unwrap();
    assert!(matches!(source, ConnectError::TlsOptions(_)), "{source:?}");
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

/// A way to the broker that takes little at a time, so that the client's socket is full.
fn narrow_line(broker: SocketAddr) -> (JoinSet<()>, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(LINE_BYTES).unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut line = JoinSet::new();
    line.spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut upstream = TcpStream::connect(broker).await.unwrap();
        // However it ends.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    });
    (line, port)
}

/// TLS keeps back what the socket has no room for; nobody writes after the last of it.
#[tokio::test]
async fn the_last_of_a_burst_over_tls_arrives() {
    let certificates = Certificates::new();
    let (broker, _) = certificates.serve();
    let (_line, port) = narrow_line(broker.local_addrs()[0]);
    let uri = certificates.uri("localhost", port, "&heartbeat=0");
    let connecting = link(&uri);
    let connection = within_limit("the connection", connecting.connect("tls")).await.unwrap();
    let publisher = connection.publisher().await.unwrap();
    for round in 0..BURSTS {
        let body = vec![7; BURST_BYTES + round * 30_011];
        let publish = Publish { mandatory: false, ..publish("amq.fanout", "", body) };
        send(&publisher, publish).await.unwrap();
    }
}

/// A RabbitMQ that wants a certificate; it ends with the test.
struct RabbitMqWithTls {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl RabbitMqWithTls {
    fn start(certificates: &Certificates) -> Self {
        let free = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            listener.local_addr().unwrap().port()
        };
        let (plain, port) = (free(), free());
        let directory = tempfile::tempdir().unwrap();
        let node = Node::alone(&directory.path().join("node"), plain).unwrap();
        let settings = format!(
            "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\nssl_options.keyfile = {}\nssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = true\n",
            certificates.path("ca.pem").display(),
            certificates.path("localhost.pem").display(),
            certificates.path("localhost.key").display(),
        );
        node.configure(&settings).unwrap();
        let process = node.spawn().unwrap();
        node.wait_until_ready(&process).unwrap();
        Self { process, port, _directory: directory }
    }
}

impl Drop for RabbitMqWithTls {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
    }
}

#[tokio::test]
async fn tls_reaches_rabbitmq() {
    if is_left_out() {
        return;
    }
    let certificates = Certificates::new();
    let node = RabbitMqWithTls::start(&certificates);
    cases(&certificates, node.port).await;
}

//! The beginning of a session: the socket, TLS, and the authentication, which is that of tokio-postgres.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx_core::net::tls::{self, CertificateInput, TlsConfig};
use sqlx_core::net::{Socket, SocketIntoBox};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_postgres::{Config as Session, NoTls, config};

use super::wire::MessageSocket;
use crate::backend::postgres::PostgresAnswer;
use crate::error::Error;

/// The request for TLS.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The files that TLS needs.
#[derive(Debug)]
pub(super) struct Certificates {
    pub(super) root: Option<CertificateInput>,
    pub(super) own: Option<CertificateInput>,
    pub(super) key: Option<CertificateInput>,
}

/// What failed while a connection was opened.
pub(super) enum OpenError {
    /// The way to the server.
    Way(sqlx::Error),
    /// The server refused the session.
    Refused(Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Way(error.into())
    }
}

/// Opens the socket, with TLS where the mode asks for it.
pub(super) async fn socket(
    options: &PgConnectOptions,
    certificates: &Certificates,
) -> Result<Box<dyn Socket>, OpenError> {
    #[cfg(unix)]
    if let Some(path) = socket_path(options) {
        return Ok(Box::new(UnixStream::connect(path).await?));
    }
    let stream = TcpStream::connect((options.get_host(), options.get_port())).await?;
    stream.set_nodelay(true)?;
    with_tls(stream, options, certificates).await
}

/// Returns the path of the server's socket, which has the number of the port in its name.
#[cfg(unix)]
fn socket_path(options: &PgConnectOptions) -> Option<std::path::PathBuf> {
    let folder = match options.get_socket() {
        Some(folder) => folder.clone(),
        None if options.get_host().starts_with('/') => options.get_host().into(),
        None => return None,
    };
    Some(folder.join(format!(".s.PGSQL.{}", options.get_port())))
}

async fn with_tls(
    mut stream: TcpStream,
    options: &PgConnectOptions,
    certificates: &Certificates,
) -> Result<Box<dyn Socket>, OpenError> {
    let mode = options.get_ssl_mode();
    let needed = matches!(mode, PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    let wanted = needed || matches!(mode, PgSslMode::Prefer) && tls::available();
    if !wanted {
        return Ok(Box::new(stream));
    }
    tls::error_if_unavailable().map_err(OpenError::Way)?;
    let mut answer = [0];
    tokio::io::AsyncWriteExt::write_all(&mut stream, &TLS_REQUEST).await?;
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer).await?;
    match answer {
        [b'S'] => {}
        [b'N'] if needed => return Err(OpenError::Way(sqlx::Error::Tls("server does not support TLS".into()))),
        [b'N'] => return Ok(Box::new(stream)),
        [other] => {
            let what = format!("unexpected response from SSLRequest: 0x{other:02x}");
            return Err(OpenError::Way(sqlx::Error::Protocol(what)));
        }
    }
    let config = TlsConfig {
        accept_invalid_certs: !matches!(mode, PgSslMode::VerifyCa | PgSslMode::VerifyFull),
        accept_invalid_hostnames: !matches!(mode, PgSslMode::VerifyFull),
        hostname: options.get_host(),
        root_cert_path: certificates.root.as_ref(),
        client_cert_path: certificates.own.as_ref(),
        client_key_path: certificates.key.as_ref(),
    };
    tls::handshake(stream, config, SocketIntoBox)
        .await
        .map_err(OpenError::Way)
}

/// Begins the session. Returns the version of the server, as it says it.
pub(super) async fn session(wire: &mut MessageSocket, session: &Session) -> Result<Option<String>, OpenError> {
    let stream = StartupStream { wire, left: 0 };
    let (_client, connection) = session.connect_raw(stream, NoTls).await.map_err(refused)?;
    Ok(connection.parameter("server_version").map(str::to_owned))
}

/// Returns what tokio-postgres sends to begin a session.
pub(super) fn session_of(options: &PgConnectOptions, password: Option<&str>) -> Session {
    let mut session = Session::new();
    // The socket has TLS already.
    session.ssl_mode(config::SslMode::Disable);
    session.user(options.get_username());
    // The server asks for one, and refuses it.
    session.password(password.unwrap_or_default());
    if let Some(database) = options.get_database() {
        session.dbname(database);
    }
    if let Some(name) = options.get_application_name() {
        session.application_name(name);
    }
    // What values are read by counts more than what the user sets.
    let needed = r"-c DateStyle=ISO,\ MDY -c TimeZone=UTC -c extra_float_digits=2";
    session.options(match options.get_options() {
        Some(given) => format!("{given} {needed}"),
        None => needed.to_owned(),
    });
    session
}

fn refused(error: tokio_postgres::Error) -> OpenError {
    if let Some(answer) = error.as_db_error() {
        let mapped = PostgresAnswer {
            code: answer.code().code(),
            message: answer.message(),
            detail: answer.detail(),
            hint: answer.hint(),
            ends_session: true,
            ..PostgresAnswer::default()
        };
        return OpenError::Refused(mapped.error());
    }
    if error.is_closed() {
        return io::Error::from(io::ErrorKind::UnexpectedEof).into();
    }
    let text = match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    let Some(cause) = error.into_source() else {
        return OpenError::Way(sqlx::Error::Protocol(text));
    };
    match cause.downcast::<io::Error>() {
        Ok(cause) => (*cause).into(),
        Err(_) => OpenError::Way(sqlx::Error::Protocol(text)),
    }
}

/// The wire as a stream of bytes. A read ends where a message does, so that nothing that belongs to the session is left
/// with its reader.
struct StartupStream<'w> {
    wire: &'w mut MessageSocket,
    /// The number of bytes that are left of a message.
    left: usize,
}

impl AsyncRead for StartupStream<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { wire, left } = &mut *self;
        let before = out.filled().len();
        loop {
            wire.take_received(out, left)?;
            if out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            match ready!(wire.poll_fill(cx)) {
                // The end of a stream is no error.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(())),
                filled => filled?,
            }
        }
    }
}

impl AsyncWrite for StartupStream<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.outgoing().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

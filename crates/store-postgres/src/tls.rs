//! TLS to the server, as libpq's `sslmode` and `sslrootcert` ask for it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What a URL says of TLS.
pub(crate) struct Tls {
    mode: SslMode,
    /// Whether the server must prove who it is.
    verify: bool,
    root: Option<String>,
}

/// Splits a URL into what says how to do TLS, and the rest, which tokio-postgres understands.
pub(crate) fn take(url: &str) -> (String, Result<Tls, String>) {
    let Some((place, parameters)) = url.split_once('?') else {
        return (url.to_owned(), Ok(Tls { mode: SslMode::Prefer, verify: false, root: None }));
    };
    let (mut mode, mut root, mut rest) = (None, None, Vec::new());
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => root = Some(value.to_owned()),
            _ => rest.push(parameter),
        }
    }
    // Whoever names a certificate wants it checked.
    let named = root.is_some();
    let tls = match mode {
        Some("disable") => Ok((SslMode::Disable, false)),
        Some("prefer") | None if !named => Ok((SslMode::Prefer, false)),
        Some("require") => Ok((SslMode::Require, named)),
        Some("prefer" | "verify-full") | None => Ok((SslMode::Require, true)),
        Some(other) => Err(format!("sslmode must be disable, prefer, require or verify-full, not {other}")),
    };
    let rest = if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) };
    (rest, tls.map(|(mode, verify)| Tls { mode, verify, root }))
}

impl Tls {
    /// Sets the mode, and makes what connects; `None` where TLS is off.
    pub(crate) fn apply(self, config: &mut Config) -> Result<Option<MakeRustlsConnect>, String> {
        config.ssl_mode(self.mode);
        if self.mode == SslMode::Disable {
            return Ok(None);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let versions = versions.map_err(|fault| fault.to_string())?;
        let client = if self.verify {
            versions.with_root_certificates(roots(self.root.as_deref())?).with_no_client_auth()
        } else {
            let anyone = Arc::new(Anyone(provider));
            versions.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth()
        };
        Ok(Some(MakeRustlsConnect::new(client)))
    }
}

/// The certificates of a file, or the system's.
fn roots(file: Option<&str>) -> Result<RootCertStore, String> {
    let certificates = match file.filter(|file| *file != "system") {
        Some(file) => {
            let unread = |fault| format!("sslrootcert: cannot read {file}: {fault}");
            let pem = std::fs::read(file).map_err(|fault| unread(fault.to_string()))?;
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            read.map_err(|fault| unread(fault.to_string()))?
        }
        // Some of the system's may be unreadable; what matters is that there are any.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!(
            "sslrootcert: there is no certificate in {}",
            file.unwrap_or("the system's store")
        ));
    }
    Ok(roots)
}

/// Takes any certificate: `prefer` and `require` keep listeners out, and know nobody. Signatures are checked all the same.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

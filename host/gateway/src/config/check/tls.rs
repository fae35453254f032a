//! What is checked about TLS and the versions of HTTP. Whether the files hold what they should is found out when they
//! are read, at the start and at each reload.

use super::Check;
use crate::config::file::tls::ListenTlsFile;
use crate::config::tls::{ClientCertificates, Demand, ListenTls};
use crate::config::upstream::{HttpVersion, Scheme};

// === impl Check ===

impl Check<'_> {
    pub(super) fn listen_tls(&mut self, file: &ListenTlsFile) -> ListenTls {
        let demand = match file.client_certificates.as_deref() {
            None | Some("optional") => Demand::Optional,
            Some("required") => Demand::Required,
            Some(_) => {
                self.problem("listen.tls.client_certificates", "optional or required");
                Demand::Required
            }
        };
        let ca_is_wrong = self.problems.is_about("listen.tls.client_ca");
        if file.client_ca.is_none() && file.client_certificates.is_some() && !ca_is_wrong {
            self.problem(
                "listen.tls.client_certificates",
                "needs client_ca: the CA that signs the clients' certificates",
            );
        }
        ListenTls {
            certificate: self.existing_file("listen.tls.certificate", &file.certificate),
            key: self.existing_file("listen.tls.key", &file.key),
            clients: file.client_ca.as_ref().map(|ca| ClientCertificates {
                ca: self.existing_file("listen.tls.client_ca", ca),
                demand,
            }),
        }
    }

    /// The version of HTTP that an upstream is spoken to in. Without TLS nothing can be negotiated.
    pub(super) fn http_version(
        &mut self,
        at: &str,
        written: Option<&str>,
        scheme: Scheme,
    ) -> HttpVersion {
        match (written, scheme) {
            (Some("1.1"), _) | (None, Scheme::Http) => HttpVersion::Http1,
            (Some("2"), _) => HttpVersion::Http2,
            (None | Some("auto"), Scheme::Https) => HttpVersion::Negotiated,
            (Some("auto"), Scheme::Http) => HttpVersion::Http1,
            (Some(_), _) => {
                self.problem(at, "\"1.1\", \"2\" or \"auto\"");
                HttpVersion::Http1
            }
        }
    }

    /// A limit on heads, between its ends.
    pub(super) fn within(
        &mut self,
        at: &str,
        written: Option<usize>,
        default: usize,
        ends: std::ops::RangeInclusive<usize>,
    ) -> usize {
        match written {
            None => default,
            Some(value) if ends.contains(&value) => value,
            Some(_) => {
                self.problem(at, &format!("between {} and {}", ends.start(), ends.end()));
                default
            }
        }
    }
}

//! From a name to addresses: never to addresses that a public name has no business with.
//!
//! Whoever controls a name decides where our requests, with their logins, go. A name that suddenly stands for this very
//! machine, or for a link-local address (where clouds answer with credentials), is refused. A base URL that says
//! `localhost` or an address outright is meant so: that is how practice systems are reached. Private networks are
//! allowed, because many systems live there.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves as the system does, and refuses what is out of place.
pub(super) struct Careful;

impl Resolve for Careful {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if let Some(reason) = found.iter().find_map(|address| refusal(&host, address.ip())) {
                return Err(reason.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Why a host must not be reached at this address; `None` if it may.
pub(super) fn refusal(host: &str, address: IpAddr) -> Option<String> {
    let address = address.to_canonical();
    if is_link_local(address) {
        return Some(format!("{host} stands for {address}, an address that no system of yours can have"));
    }
    let own = host.parse::<IpAddr>().is_ok() || is_this_machine(host);
    if (address.is_loopback() || address.is_unspecified()) && !own {
        return Some(format!(
            "{host} stands for {address}, which is this machine; if that is meant, write `localhost` or the address in \
             `base_url`"
        ));
    }
    None
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast() || address.is_multicast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}

/// `localhost`, and the name that this machine has itself.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    let own = rustix::system::uname();
    let own = own.nodename().to_string_lossy().to_ascii_lowercase();
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    !own.is_empty() && (host == own || (!own.contains('.') && first(&host) == own) || first(&own) == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, address: &str, allowed: bool) {
        let found = refusal(host, address.parse().unwrap());
        assert_eq!(found.is_none(), allowed, "{host} at {address}: {found:?}");
    }

    #[test]
    fn a_public_name_does_not_lead_to_this_machine_or_to_what_only_clouds_use() {
        for address in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"] {
            check("shop.example", address, false);
        }
        for address in ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "224.0.0.1", "255.255.255.255"] {
            check("shop.example", address, false);
            check(address, address, false);
            check("localhost", address, false);
        }
        for address in ["192.0.2.1", "10.0.0.5", "192.168.1.9", "2001:db8::1", "fd00::1"] {
            check("shop.example", address, true);
        }
    }

    #[test]
    fn this_machine_is_reached_where_the_base_url_says_so() {
        check("127.0.0.1", "127.0.0.1", true);
        check("::1", "::1", true);
        check("localhost", "127.0.0.1", true);
        check("shop.localhost", "127.0.0.1", true);
        check("localhost.evil.example", "127.0.0.1", false);
    }
}

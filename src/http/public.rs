//! Addresses that everybody reaches, and names that lead to no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is said of a host that is not, and what to do about it.
pub(super) const NOT_PUBLIC: &str = "its host is not public, of this machine or a private network; `privateAddresses: true` in the settings allows that";

/// Resolves names to public addresses, and refuses those of which any address is not public: one name with both is a
/// trap. What it hands out is what is connected to, so that a name which leads elsewhere by the next question gains
/// nothing.
pub(super) struct PublicOnly(Arc<dyn Resolve>);

impl PublicOnly {
    /// By what the system says.
    pub(super) fn of_system() -> Self {
        Self(Arc::new(System))
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let asked = self.0.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = asked.await?.collect();
            if found.iter().all(|address| is_public(address.ip())) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            Err(NOT_PUBLIC.into())
        })
    }
}

/// The names as the system resolves them.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one that everybody reaches: not of this machine, of a private network, of the platform
/// (169.254.169.254 tells secrets), or reserved.
///
/// Source: IANA's registries of special-purpose addresses of IPv4 and IPv6. What they call reachable is refused where no
/// host of its own is behind it: relays (192.88.99.0/24, 6to4, Teredo) and the rest of `2001::/23`.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Where Azure's platform answers each of its machines (the wireserver): an address of the internet by its number, and
/// by its name nobody else's.
pub const WIRESERVER: [u8; 4] = [168, 63, 129, 16];

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = matches!(
        address.octets(),
        [0 | 10 | 127 | 224.., ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | WIRESERVER
    );
    !special
}

/// Of `2000::/3`, which is what is given out, all but protocols, tunnels and what is for books; and addresses of IPv4 in
/// the clothes of IPv6, mapped or behind a translator (NAT64), by what they are.
const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => matches!(first, 0x2000..=0x3fff),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;

    /// A name service that gives each question the next of its answers.
    struct Names(Mutex<VecDeque<&'static [&'static str]>>);

    impl Names {
        fn saying(answers: &[&'static [&'static str]]) -> Arc<Self> {
            Arc::new(Self(Mutex::new(answers.iter().copied().collect())))
        }

        fn left(&self) -> usize {
            self.0.lock().unwrap().len()
        }
    }

    impl Resolve for Names {
        fn resolve(&self, _name: Name) -> Resolving {
            let answer = self.0.lock().unwrap().pop_front().expect("one more answer");
            let found = answer.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0));
            let found: Vec<SocketAddr> = found.collect();
            Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
        }
    }

    async fn ask(names: &PublicOnly) -> Result<Vec<String>, String> {
        match names.resolve("hooks.contoso.example".parse().unwrap()).await {
            Ok(found) => Ok(found.map(|address| address.ip().to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_followed() {
        let refused = PublicOnly::of_system().resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert_eq!(refused.to_string(), NOT_PUBLIC);
    }

    #[tokio::test]
    async fn a_name_with_a_public_and_a_private_address_is_not_followed() {
        for trap in [
            &["8.8.8.8", "10.0.0.1"][..],
            &["169.254.169.254", "8.8.8.8"],
            &["2620:1ec:c11::200", "::1"],
            &["8.8.8.8", "168.63.129.16"],
        ] {
            let refused = ask(&PublicOnly(Names::saying(&[trap]))).await;
            assert_eq!(refused, Err(NOT_PUBLIC.to_owned()), "{trap:?}");
        }
        let both = ask(&PublicOnly(Names::saying(&[&["8.8.8.8", "2620:1ec:c11::200"]]))).await;
        assert_eq!(both, Ok(vec!["8.8.8.8".to_owned(), "2620:1ec:c11::200".to_owned()]));
    }

    /// What was looked at is what is connected to: one question for each connection, and each is looked at.
    #[tokio::test]
    async fn a_name_that_leads_elsewhere_the_second_time_is_not_followed_there() {
        let service = Names::saying(&[&["8.8.8.8"], &["127.0.0.1"]]);
        let names = PublicOnly(Arc::clone(&service) as Arc<dyn Resolve>);
        assert_eq!(ask(&names).await, Ok(vec!["8.8.8.8".to_owned()]));
        assert_eq!(service.left(), 1);
        assert_eq!(ask(&names).await, Err(NOT_PUBLIC.to_owned()));
    }

    #[tokio::test]
    async fn a_client_opens_no_connection_to_where_a_trap_leads() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://hooks.contoso.example:{}", listener.local_addr().unwrap().port());
        let trap = || Names::saying(&[&["127.0.0.1"]]);
        let get = async |client: reqwest::ClientBuilder| {
            let client = client.no_proxy().build().unwrap();
            tokio::select! {
                accepted = listener.accept() => Ok(accepted.unwrap().1.ip().to_string()),
                failed = client.get(&url).send() => Err(failed.unwrap_err()),
            }
        };
        let refused = get(reqwest::Client::builder().dns_resolver(PublicOnly(trap()))).await.unwrap_err();
        assert!(crate::diag::Chain(&refused).to_string().contains(NOT_PUBLIC), "{refused:?}");
        // Who does not look is led there.
        let reached = get(reqwest::Client::builder().dns_resolver(trap())).await;
        assert_eq!(reached.unwrap(), "127.0.0.1");
    }

    /// The edges of every block of the registries that a host must not be in, in their order.
    #[test]
    fn what_only_this_machine_or_house_reaches_is_not_public() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.192",
            "192.0.2.5",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.5",
            "203.0.113.5",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:168.63.129.16",
            "64:ff9b::a00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:a00:1::",
            "2002:808:808::",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_everybody_reaches_is_public() {
        for address in [
            "1.0.0.0",
            "8.8.8.8",
            "20.190.128.1",
            "100.63.255.255",
            "100.128.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.0.3.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2620:1ec:c11::200",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}

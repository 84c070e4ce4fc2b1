//! Apps that prove themselves with a certificate, against the simulated tenant, which verifies it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use huntbook::clock::{Clock as _, ManualClock};
use huntbook::model::{Secret, SharedSource};
use huntbook::settings::{Packed, SecretRef};
use huntbook::sim::{Sim, SimApp, SimOptions};
use huntbook::tenant::{
    AppCertificate, Audience, Client, ClientOptions, Credential, Ending, EndpointOverrides, Proof,
    Tenant as _, TenantError, days_left,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bench::{APP, Reply, Server, TENANT, door, everything, issue};
use crate::certificate::{Made, elliptic, rsa};

const PFX_PASSWORD: &str = "canary of the pfx";

fn now() -> Timestamp {
    "2027-03-01T12:00:00Z".parse().unwrap()
}

fn text(text: &str) -> SharedSource {
    Arc::new(Secret::new(text.to_owned()))
}

fn file(name: &str) -> SharedSource {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/certificate").join(name);
    Arc::new(Packed(SecretRef::File(path)))
}

fn credential(client_id: &str, certificate: AppCertificate) -> Credential {
    Credential::ClientCertificate { client_id: client_id.to_owned(), certificate: Arc::new(certificate) }
}

struct World {
    sim: Sim,
    clock: ManualClock,
}

impl World {
    async fn start(registered: &str) -> Self {
        let mut options = SimOptions::sample().unwrap();
        options.apps = vec![SimApp::sample().with_certificates(registered.as_bytes())];
        let clock = ManualClock::new(now());
        Self { sim: Sim::start(options, Arc::new(clock.clone())).await.unwrap(), clock }
    }

    fn client(&self, certificate: AppCertificate) -> Client {
        let options = ClientOptions {
            endpoints: EndpointOverrides::under(self.sim.url()),
            credential: credential(SimApp::CLIENT_ID, certificate),
            ..ClientOptions::with_secret(
                "contoso",
                SimOptions::TENANT_ID.parse().unwrap(),
                SimApp::CLIENT_ID,
                Secret::new("none".to_owned()),
            )
        };
        Client::open(options, door(Arc::new(self.clock.clone())), Arc::new(self.clock.clone())).unwrap()
    }
}

/// The number behind `AADSTS` of a refusal.
fn aadsts(error: &TenantError) -> Option<u32> {
    let TenantError::SignIn { refused, .. } = error else { panic!("{error:?}") };
    refused.aadsts
}

#[tokio::test]
async fn every_form_of_a_certificate_gets_in() {
    let world = World::start(include_str!("../fixtures/certificate/certificate.pem")).await;
    let password = || Some(text(PFX_PASSWORD));
    let packed = STANDARD.encode(include_bytes!("../fixtures/certificate/modern.pfx"));
    let both = [
        include_str!("../fixtures/certificate/key.pem"),
        include_str!("../fixtures/certificate/certificate.pem"),
    ];
    for (form, certificate) in [
        ("one PEM", AppCertificate::new(text(&both.concat()), None, None)),
        ("two PEM files", AppCertificate::new(file("certificate.pem"), Some(file("key.pem")), None)),
        ("an older key", AppCertificate::new(file("certificate.pem"), Some(file("pkcs1.pem")), None)),
        ("PFX", AppCertificate::new(file("modern.pfx"), None, password())),
        ("PFX as Windows wrote it once", AppCertificate::new(file("legacy.pfx"), None, password())),
        ("PFX as text, as vaults have it", AppCertificate::new(text(&packed), None, password())),
    ] {
        let tenant = world.client(certificate);
        let facts =
            tenant.token_facts(Audience::Graph).await.unwrap_or_else(|error| panic!("{form}: {error:?}"));
        assert_eq!(facts.proof, Some(Proof::Assertion), "{form}");
        assert!(!format!("{tenant:?}").contains("PRIVATE"), "{tenant:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_says_why() {
    let good = rsa(now(), (-1, 100));
    let other = rsa(now(), (-1, 100));
    let [ended, early, curve] =
        [rsa(now(), (-9, -1)), rsa(now(), (1, 100)), elliptic(now(), (-1, 100))].map(|made| made.both());
    let encrypted = good.both().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let pfx = |word: Option<&str>| AppCertificate::new(file("modern.pfx"), None, word.map(text));
    let pem = |pem: &str| AppCertificate::new(text(pem), None, None);
    let two = |one: &str, key: &str| AppCertificate::new(text(one), Some(text(key)), None);
    for (certificate, expect) in [
        (two(&good.certificate, &other.key), "the private key does not belong to the certificate"),
        (pem(&good.certificate), "there is no private key beside the certificate"),
        (pem(&good.key), "there is no certificate in it"),
        (pfx(Some("canary")), "the password does not open the PFX file"),
        (pfx(None), "the password does not open the PFX file"),
        (pem(&ended), "the certificate ended at 2027-02-28T00:00:00Z"),
        (pem(&early), "the certificate is not valid before 2027-03-02T00:00:00Z"),
        (pem(&curve), "its key is not an RSA key"),
        (pem(&encrypted), "the private key is encrypted"),
        (pem("canary"), "it is neither PEM nor PFX"),
        (pem("-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n"), "damaged"),
        (two(&good.certificate, "canary"), "the private key cannot be read"),
    ] {
        let error = credential(APP, certificate).look(now()).await.unwrap_err();
        let shown = everything(&error);
        assert!(shown.starts_with("the certificate cannot be used: ") && shown.contains(expect), "{shown}");
        assert!(!shown.contains("canary") && !error.passes(), "{shown}");
    }
}

#[tokio::test]
async fn the_tenant_takes_no_proof_that_is_not_in_order() {
    let (known, foreign) = (rsa(now(), (-1, 100)), rsa(now(), (-1, 100)));
    let world = World::start(&known.certificate).await;
    let tenant = world.client(AppCertificate::new(text(&foreign.both()), None, None));
    let error = tenant.token_facts(Audience::Graph).await.unwrap_err();
    assert_eq!(aadsts(&error), Some(700_027));
    assert!(error.to_string().contains("upload the certificate"), "{error}");
    // Our clock, that is: the tenant's goes on.
    let late = ManualClock::new(now().checked_sub(SignedDuration::from_mins(20)).unwrap());
    let behind = World { sim: world.sim, clock: late };
    let tenant = behind.client(AppCertificate::new(text(&known.both()), None, None));
    let error = tenant.token_facts(Audience::Graph).await.unwrap_err();
    assert_eq!(aadsts(&error), Some(700_024));
    assert!(error.to_string().contains("set the clock"), "{error}");
}

/// Header and claims of a proof.
fn parts(assertion: &str) -> [Value; 2] {
    let mut parts = assertion.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

#[tokio::test]
async fn an_authority_that_knows_only_the_older_signature_gets_that_one() {
    let server = Server::start(|seen| {
        let [header, _] = parts(&seen.form()["client_assertion"]);
        if header["alg"] == "PS256" {
            return Reply::json(401, &json!({"error": "invalid_client", "error_codes": [700_027]}));
        }
        issue(seen, TENANT, 3599)
    })
    .await;
    let made: Made = rsa(now(), (-1, 100));
    let clock = ManualClock::new(now());
    let options = ClientOptions {
        endpoints: EndpointOverrides::under(&server.url),
        credential: credential(APP, AppCertificate::new(text(&made.both()), None, None)),
        ..ClientOptions::with_secret("contoso", TENANT.parse().unwrap(), APP, Secret::new("none".to_owned()))
    };
    let tenant = Client::open(options, door(Arc::new(clock.clone())), Arc::new(clock.clone())).unwrap();
    tenant.token_facts(Audience::Graph).await.unwrap();
    tenant.token_facts(Audience::Mde).await.unwrap();
    let proofs: Vec<[Value; 2]> =
        server.seen().iter().map(|seen| parts(&seen.form()["client_assertion"])).collect();
    let [first, second, third] = proofs.as_slice() else { panic!("{proofs:?}") };
    // 32 bytes of SHA-256 in the newer name, 20 of SHA-1 in the older one.
    assert_eq!((&first[0]["alg"], first[0]["x5t#S256"].as_str().unwrap().len()), (&json!("PS256"), 43));
    assert_eq!((&second[0]["alg"], second[0]["x5t"].as_str().unwrap().len()), (&json!("RS256"), 27));
    assert_eq!(third[0]["alg"], "RS256", "what was refused once is not tried again");
    assert_ne!(first[1]["jti"], second[1]["jti"]);
    let now = clock.now().as_second();
    let expected = json!({
        "aud": format!("{}/{TENANT}/oauth2/v2.0/token", server.url), "iss": APP, "sub": APP,
        "jti": first[1]["jti"], "nbf": now, "iat": now, "exp": now + 600,
    });
    assert_eq!(first[1], expected);
}

#[tokio::test]
async fn row_51_a_certificate_is_replaced_without_a_restart_and_told_of_ahead() {
    let [old, new] = [(-300, 31), (-1, 365)].map(|days| rsa(now(), days));
    let world = World::start(&format!("{}{}", old.certificate, new.certificate)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.pem");
    std::fs::write(&path, old.both()).unwrap();
    let source: SharedSource = Arc::new(Packed(SecretRef::File(path.clone())));
    let certificate = credential(SimApp::CLIENT_ID, AppCertificate::new(Arc::clone(&source), None, None));
    let tenant = world.client(AppCertificate::new(source, None, None));
    for (days, ending) in
        [(0, None), (1, Some(Ending::Soon)), (17, Some(Ending::AtOnce)), (30, Some(Ending::AtOnce))]
    {
        world.clock.set(now().checked_add(SignedDuration::from_hours(24 * days)).unwrap());
        let ends = certificate.look(world.clock.now()).await.unwrap().ends.unwrap();
        assert_eq!(
            (Ending::of(ends, world.clock.now()), days_left(ends, world.clock.now())),
            (ending, 30 - days)
        );
        tenant.token_facts(Audience::Graph).await.unwrap();
    }
    world.clock.advance(SignedDuration::from_hours(48));
    let error = tenant.token_facts(Audience::Graph).await.unwrap_err();
    assert!(everything(&error).contains("the certificate ended at"), "{error:?}");
    std::fs::write(&path, new.both()).unwrap();
    tenant.token_facts(Audience::Graph).await.unwrap();
    assert_eq!(
        Ending::of(certificate.look(world.clock.now()).await.unwrap().ends.unwrap(), world.clock.now()),
        None
    );
}

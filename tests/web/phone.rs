//! The pages on a phone, where everything is called by a long name without a gap.

use huntbook::clock::{Clock as _, SystemClock};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::browser::browse;
use crate::provider::{CLIENT, Liar, fine, through};
use crate::site::{LOOKS_MAX, Site};

/// A playbook that is called as long as it may be, whose row is too.
fn playbook(name: &str) -> String {
    let row = "r".repeat(400);
    format!(
        "schema: 1\nid: 3f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77\nname: {name}\nmode: enforce\nseverity: High\nhunt:\n  query: \
         DeviceInfo | where DeviceName startswith 'wks-014' | summarize arg_max(Timestamp, DeviceName) by DeviceId | \
         extend Called = \"{row}\"\n  queryPeriod: 30d\n  identity: [DeviceId, Called]\nschedule: {{every: 5s}}\n\
         actions:\n  - id: cut\n    isolateDevice: {{device: \"{{{{row.DeviceId}}}}\", comment: \"{{{{row.Called}}}}\"}}\n    \
         approval: {{channel: siem, minimum: 1}}\nnotify:\n  - {{channel: siem, title: cut off}}\n"
    )
}

/// The request of a playbook that waits, once it does.
async fn asked_by(site: &Site, name: &str) -> Value {
    for _look in 0..LOOKS_MAX {
        let all = site.json(&["approvals", "--all"]).await;
        let mut all = all.as_array().unwrap().iter();
        if let Some(asked) = all.find(|asked| asked.to_string().contains(name)) {
            return asked.clone();
        }
        SystemClock.sleep(SignedDuration::from_millis(100)).await;
    }
    panic!("nobody is asked\n{}", site.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_on_a_phone_whatever_people_and_playbooks_are_called() {
    let liar = Liar::start().await;
    let site = Site::open_with(1, &format!("openId: {{issuer: \"{}\", clientId: {CLIENT}}}", liar.url)).await;
    let person = format!("{}@contoso.example", "p".repeat(180));
    let mut forged = fine(&liar);
    forged.claims["preferred_username"] = json!(person);
    let (_page, answer) = through(&site, &liar, "/sign-in/provider", forged).await;
    let cookies = answer.headers().get_all(reqwest::header::SET_COOKIE).iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
    let cookie = cookies.find(|cookie| cookie.starts_with("huntbook=")).unwrap();

    let name = "N".repeat(200);
    site.put("long.yaml", Some(&playbook(&name)));
    let asked = asked_by(&site, &name).await;
    let of = |what: &str| asked[what].as_str().unwrap().to_owned();
    let stop = ["stop", "--playbook", &name, "--reason", &"w".repeat(300)];
    assert!(site.say(crate::site::LEAD, &stop).await.status.success());
    let (run, approval) = (format!("/runs/{}", of("run")), format!("/approvals/{}", of("id")));
    let paths = ["/", "/runs", run.as_str(), "/approvals", approval.as_str(), "/sessions"];
    let (_browser, mut lines) =
        browse("phone.mjs", &[&[site.origin.as_str(), cookie.as_str()], &paths[..]].concat());
    let seen = lines.next_line().await.unwrap();
    let seen = seen.unwrap_or_else(|| panic!("the browser ended\n{}", site.log()));
    let seen: Vec<Value> = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen.len(), 2 * paths.len());
    for page in &seen {
        let (path, text) = (page["path"].as_str().unwrap(), page["text"].as_str().unwrap());
        assert_eq!((&page["status"], &page["headings"]), (&json!(200), &json!(1)), "{path}");
        assert_eq!(page["wide"], json!([]), "{path} at {}", page["width"]);
        // It is there, and no page shows something else in its place.
        assert!(text.contains(&"p".repeat(60)), "{path}: {text}");
        let names_none = ["/sessions", "/approvals"].contains(&path);
        assert!(names_none || text.contains(&"N".repeat(60)), "{path}: {text}");
    }
}

//! Each event as a table: the line, the row it gives, and what is left.

use serde_json::json;

use super::*;

/// A flat event at noon on one computer.
fn flat(id: u64, fields: &Value) -> String {
    let mut line = json!({"EventID": id, "Hostname": "WKS-1.contoso.example", "UtcTime": "2026-01-10 12:00:00.123",
        "Channel": "Microsoft-Windows-Sysmon/Operational"});
    line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    line.to_string()
}

/// Checks the columns an event gives besides time and device, and the names of its fields left.
#[track_caller]
fn check(id: u64, fields: &Value, table: &str, columns: &Value, left: &[&str]) {
    let mut sysmon = Sysmon::new();
    let (to, mut row) = sysmon.line(&flat(id, fields)).unwrap();
    assert_eq!(row.remove("Timestamp").unwrap(), "2026-01-10T12:00:00.1230000Z");
    assert_eq!(row.remove("DeviceName").unwrap(), "wks-1.contoso.example");
    assert_eq!(row.remove("DeviceId").unwrap().as_str().unwrap().len(), 40);
    assert_eq!(row.remove("ReportId").unwrap(), 1);
    assert_eq!((to, &Value::Object(row)), (table, columns), "event {id}");
    let found: Vec<&str> = sysmon.census().fields.keys().map(|(_, name)| name.as_str()).collect();
    assert_eq!(found, left, "event {id}");
}

#[test]
fn a_process_has_its_files_hashes_and_accounts() {
    check(
        1,
        &json!({
            "Image": "C:\\Windows\\System32\\cmd.exe", "CommandLine": "cmd /c whoami", "ProcessId": "4812",
            "Hashes": "MD5=AB,SHA256=CD,IMPHASH=EF", "User": "CONTOSO\\Nils.Holm", "LogonId": "0x3e7",
            "ParentImage": "C:\\Windows\\explorer.exe", "ParentProcessId": "77", "Company": "-",
            "CurrentDirectory": "C:\\",
        }),
        "DeviceProcessEvents",
        &json!({
            "ActionType": "ProcessCreated", "FileName": "cmd.exe", "FolderPath": "C:\\Windows\\System32\\cmd.exe",
            "ProcessCommandLine": "cmd /c whoami", "ProcessId": 4812, "MD5": "ab", "SHA256": "cd",
            "AccountDomain": "contoso", "AccountName": "nils.holm", "LogonId": 999,
            "InitiatingProcessFileName": "explorer.exe", "InitiatingProcessFolderPath": "C:\\Windows\\explorer.exe",
            "InitiatingProcessId": 77,
        }),
        &["CurrentDirectory", "Hashes (other than SHA1, SHA256, MD5)"],
    );
}

#[test]
fn connections_know_both_directions() {
    let fields = |initiated: &str| {
        json!({"Initiated": initiated, "SourceIp": "10.20.4.5", "SourcePort": 50000, "DestinationIp": "192.0.2.7",
            "DestinationPort": 443, "DestinationHostname": "news.example", "Protocol": "tcp"})
    };
    check(
        3,
        &fields("true"),
        "DeviceNetworkEvents",
        &json!({"ActionType": "ConnectionSuccess", "LocalIP": "10.20.4.5", "LocalPort": 50000,
            "RemoteIP": "192.0.2.7", "RemotePort": 443, "RemoteUrl": "news.example", "Protocol": "Tcp"}),
        &[],
    );
    check(
        3,
        &fields("false"),
        "DeviceNetworkEvents",
        &json!({"ActionType": "InboundConnectionAccepted", "LocalIP": "192.0.2.7", "LocalPort": 443,
            "RemoteIP": "10.20.4.5", "RemotePort": 50000, "Protocol": "Tcp"}),
        &["DestinationHostname"],
    );
}

/// Number, fields, table and columns of events by one process, which are not repeated.
const BY_ONE: &str = include_str!("by_one.ndjson");

#[test]
fn files_registry_pipes_and_names_go_where_queries_look() {
    let process = json!({"InitiatingProcessFileName": "a.exe", "InitiatingProcessFolderPath": "C:\\a.exe"});
    for line in BY_ONE.lines() {
        let mut case: Value = serde_json::from_str(line).unwrap();
        case["fields"]["Image"] = "C:\\a.exe".into();
        case["row"].as_object_mut().unwrap().extend(process.as_object().unwrap().clone());
        check(
            case["id"].as_u64().unwrap(),
            &case["fields"],
            case["table"].as_str().unwrap(),
            &case["row"],
            &[],
        );
    }
    check(
        5,
        &json!({"Image": "C:\\a.exe", "ProcessId": 7}),
        "DeviceEvents",
        &json!({"ActionType": "ProcessTerminated", "FileName": "a.exe", "FolderPath": "C:\\a.exe", "ProcessId": 7}),
        &[],
    );
}

#[test]
fn processes_that_touch_others_name_both() {
    for (id, action, more) in
        [(8, "CreateRemoteThreadApiCall", "StartAddress"), (10, "OpenProcessApiCall", "GrantedAccess")]
    {
        let name = if id == 8 { "StartAddress" } else { "DesiredAccess" };
        check(
            id,
            &json!({"SourceImage": "C:\\a.exe", "TargetImage": "C:\\lsass.exe", "TargetProcessId": 9, more: "0x1fff"}),
            "DeviceEvents",
            &json!({"ActionType": action, "InitiatingProcessFileName": "a.exe", "InitiatingProcessFolderPath": "C:\\a.exe",
                "FileName": "lsass.exe", "FolderPath": "C:\\lsass.exe", "ProcessId": 9,
                "AdditionalFields": json!({name: "0x1fff"}).to_string()}),
            &[],
        );
    }
}

#[test]
fn every_collector_writes_the_same_event_in_its_own_way() {
    let data =
        json!({"UtcTime": "2026-01-10 12:00:00.123", "Image": "C:\\a.exe", "TargetFilename": "C:\\f.txt"});
    let shapes = [
        json!({"@timestamp": "2026-01-10T12:00:09Z", "winlog": {"event_id": 11, "computer_name": "WKS-1",
            "channel": "Microsoft-Windows-Sysmon/Operational", "event_data": data}}),
        json!({"@timestamp": "2026-01-10T12:00:09Z", "event_id": 11, "computer_name": "WKS-1",
            "log_name": "Microsoft-Windows-Sysmon/Operational", "event_data": data}),
        json!({"Event": {"System": {"EventID": {"#text": "11"}, "Computer": "WKS-1",
            "Channel": "Microsoft-Windows-Sysmon/Operational"}, "EventData": data}}),
        json!({"Event": {"System": {"EventID": 11, "Computer": "WKS-1", "Provider": {"@Name": "Microsoft-Windows-Sysmon"}},
            "EventData": {"Data": [{"@Name": "UtcTime", "#text": "2026-01-10 12:00:00.123"},
                {"@Name": "Image", "#text": "C:\\a.exe"}, {"@Name": "TargetFilename", "#text": "C:\\f.txt"}]}}}),
        json!({"EventID": 11, "Computer": "WKS-1", "SourceName": "Microsoft-Windows-Sysmon",
            "UtcTime": "2026-01-10 12:00:00.123", "Image": "C:\\a.exe", "TargetFilename": "C:\\f.txt"}),
    ];
    let rows: Vec<SysmonRow> =
        shapes.iter().filter_map(|line| Sysmon::new().line(&line.to_string())).collect();
    assert_eq!(rows.len(), shapes.len());
    for row in &rows {
        assert_eq!(row, &rows[0]);
    }
    assert_eq!(rows[0].1["Timestamp"], "2026-01-10T12:00:00.1230000Z");
}

#[test]
fn what_has_no_place_is_counted_and_named() {
    let mut sysmon = Sysmon::new();
    for line in [
        flat(4, &json!({"State": "Started"})),
        flat(4, &json!({"State": "Stopped"})),
        json!({"EventID": 4688, "Channel": "Security", "Hostname": "a"}).to_string(),
        String::new(),
        "not JSON".to_owned(),
        "[1]".to_owned(),
        flat(11, &json!({"Image": "a", "TargetFilename": "b", "RuleName": "T1047", "New": "x"})),
        flat(13, &json!({"EventType": "Unheard of", "TargetObject": "HKLM\\A\\b"})),
    ] {
        sysmon.line(&line);
    }
    let census = sysmon.census();
    assert_eq!(census.rows, BTreeMap::from([("DeviceFileEvents", 1), ("DeviceRegistryEvents", 1)]));
    assert_eq!(census.events, BTreeMap::from([(4, 2)]));
    let fields: Vec<(u64, &str)> = census.fields.keys().map(|(id, name)| (*id, name.as_str())).collect();
    assert_eq!(fields, [(11, "New"), (11, "RuleName"), (13, "EventType")]);
    assert_eq!((census.foreign, census.broken, census.first_broken), (1, 2, Some(5)));
}

proptest::proptest! {
    #[test]
    fn no_line_breaks_the_reader(text in ".{0,200}", id in 0..30_u64, field in "[A-Za-z]{0,12}", value in ".{0,40}") {
        let mut sysmon = Sysmon::new();
        sysmon.line(&text);
        sysmon.line(&flat(id, &json!({"Image": value, "TargetObject": value, "Hashes": value, field: value})));
    }
}

//! What can be wrong on the way to any vendor: clocks, names, ports, certificates, proxies.

use groupcast_simulators::faults::Fault;
use groupcast_tests::ports::Nobody;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_clock_that_is_wrong_is_found_by_what_the_vendors_say_the_time_is() {
    for ahead in [900, -900] {
        let mut lab = Lab::with_clocks_ahead(ahead).await;
        lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        let side = if ahead > 0 {
            "15 minutes behind"
        } else {
            "15 minutes ahead"
        };
        let side_or_less = if ahead > 0 {
            "14 minutes behind"
        } else {
            "14 minutes ahead"
        };
        for target in BOTH {
            let findings = check(&lab, target).await;
            let told = findings
                .iter()
                .filter(|finding| finding.code == "clock-skew" && finding.severity == Severity::Problem)
                .filter(|finding| finding.message.contains(side) || finding.message.contains(side_or_less))
                .count();
            assert!(told > 0, "{target:?} {ahead}: {findings:#?}");
        }
    }
    // Within what vendors put up with nothing is said.
    let mut lab = Lab::with_clocks_ahead(120).await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    for target in BOTH {
        let findings = check(&lab, target).await;
        assert!(
            findings.iter().all(|finding| finding.code != "clock-skew"),
            "{findings:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_name_a_port_and_a_certificate_that_lead_nowhere_are_told_apart() {
    let mut lab = lab().await;
    lab.section("jumpcloud")
        .insert("base_url".to_owned(), "https://console.jumpcloud.invalid".into());
    diagnosed(
        &lab,
        Target::Google,
        "name-unresolved",
        &["console.jumpcloud.invalid"],
    )
    .await;

    let mut lab = self::lab().await;
    let nobody = Nobody::new();
    let free = nobody.address();
    lab.set(Target::Entra, "graph_url", format!("https://{free}"));
    diagnosed(
        &lab,
        Target::Entra,
        "connection-refused",
        &[&free.to_string(), "firewall"],
    )
    .await;

    let mut lab = self::lab().await;
    lab.section("network").remove("ca_file");
    let findings = check(&lab, Target::Google).await;
    assert_eq!(
        problems(&findings)
            .iter()
            .filter(|code| **code != "certificate-untrusted")
            .count(),
        0,
        "{findings:#?}"
    );
    let finding = of(&findings, "certificate-untrusted");
    for word in ["network.ca_file", "issued by “CN=Groupcast"] {
        assert!(finding.message.contains(word), "{word}: {finding:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_proxy_that_answers_in_the_vendors_place_is_recognised() {
    let page = || {
        answer(
            200,
            &[],
            "text/html; charset=utf-8",
            "<html><body>Please sign in to the network</body></html>",
        )
    };
    let sign_in = || {
        answer(
            407,
            &[("proxy-authenticate", "Basic")],
            "text/plain",
            "Proxy sign-in required",
        )
    };
    let cases: [(Target, Vendor, &str, &str, Fault, &str); 4] = [
        (
            Target::Entra,
            Vendor::Entra,
            "GET",
            "/v1.0/**",
            page(),
            "not-the-vendor",
        ),
        (
            Target::Google,
            Vendor::Google,
            "POST",
            "/token",
            page(),
            "not-the-vendor",
        ),
        (
            Target::Google,
            Vendor::Google,
            "POST",
            "/token",
            sign_in(),
            "proxy-sign-in",
        ),
        (
            Target::Google,
            Vendor::Jumpcloud,
            "GET",
            "/api/**",
            sign_in(),
            "proxy-sign-in",
        ),
    ];
    for (target, vendor, method, path, fault, code) in cases {
        let lab = lab().await;
        strike(&lab, rule(vendor, method, path, fault));
        if vendor == Vendor::Entra {
            // Reads go in batches where they can.
            strike(&lab, rule(vendor, "POST", "/v1.0/$batch", page()));
        }
        diagnosed(&lab, target, code, &["this machine through"]).await;
    }
}

//! Results as `JUnit` XML, for build servers.

use std::collections::BTreeMap;

use quick_xml::{
    Writer,
    events::{BytesText, Event},
};

use super::{Results, TestResult};

/// One suite per file.
pub(super) fn render(results: &Results) -> Vec<u8> {
    let mut files: BTreeMap<&str, Vec<&TestResult>> = BTreeMap::new();
    for test in &results.tests {
        files.entry(&test.file).or_default().push(test);
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing into memory does not fail.
    let _ = write(&mut writer, &files);
    let mut text = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_vec();
    text.extend(writer.into_inner());
    text.push(b'\n');
    text
}

fn write(writer: &mut Writer<Vec<u8>>, files: &BTreeMap<&str, Vec<&TestResult>>) -> std::io::Result<()> {
    let suites = writer.create_element("testsuites");
    suites.write_inner_content(|writer| {
        for (file, tests) in files {
            let failed = tests.iter().filter(|test| !test.passed).count();
            let seconds: f64 = tests.iter().map(|test| test.seconds).sum();
            let suite = writer.create_element("testsuite").with_attributes([
                ("name", *file),
                ("tests", &*tests.len().to_string()),
                ("failures", &*failed.to_string()),
                ("time", &*format!("{seconds:.3}")),
            ]);
            suite.write_inner_content(|writer| tests.iter().try_for_each(|test| case(writer, test)))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, test: &TestResult) -> std::io::Result<()> {
    let element = writer.create_element("testcase").with_attributes([
        ("classname", test.file.as_str()),
        ("name", test.name.as_str()),
        ("file", test.file.as_str()),
        ("line", &*test.line.to_string()),
        ("time", &*format!("{:.3}", test.seconds)),
    ]);
    if test.passed {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|writer| {
        for failure in &test.failures {
            let element =
                writer.create_element("failure").with_attribute(("message", clean(&failure.message).as_str()));
            let told = clean(&failure.render());
            element.write_inner_content(|writer| writer.write_event(Event::Text(BytesText::new(&told))))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// XML 1.0 knows no control characters but these.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

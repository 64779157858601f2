//! Many seeds.

use crate::program::{code, stderr, stdout, vmbsim};

/// An event that comes after all traffic has ended proves nothing.
#[test]
fn every_event_meets_requests_on_their_way_in_a_third_of_its_lives_at_least() {
    let result = vmbsim(["explore", "--seeds", "150"]);
    let text = stdout(&result);
    assert_eq!(code(&result), 0, "{text}");
    let mut events = 0;
    for line in text
        .lines()
        .skip_while(|line| !line.contains("median"))
        .skip(1)
    {
        // Name of one or more words, times, met, "(share", "%)", least, median, most.
        let words: Vec<&str> = line.split_whitespace().collect();
        let [.., times, met, _, _, least, median, most] = words.as_slice() else {
            panic!("{line}");
        };
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{line}"));
        assert!(
            number(times) > 0 && 3 * number(met) >= number(times),
            "{line}"
        );
        assert!(
            number(least) > 0 && number(median) >= number(least) && number(most) >= number(median),
            "{line}"
        );
        events += 1;
    }
    assert_eq!(events, 9, "{text}");
}

#[test]
fn exploring_finds_nothing_in_the_driver() {
    let result = vmbsim([
        "explore", "--seeds", "100", "--seed", "1000", "--jobs", "100000",
    ]);
    let text = stdout(&result);
    assert_eq!(code(&result), 0, "{text}");
    assert!(text.contains("100 seeds from 1000"), "{text}");
    assert_eq!(
        stderr(&result).lines().count(),
        1,
        "one line says what runs"
    );
}

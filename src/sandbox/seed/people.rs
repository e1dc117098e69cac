//! The people and sales that the seeds are made of.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;

use super::Seeder;

const FIRST: [&str; 32] = [
    "Aroha",
    "Ben",
    "Charlotte",
    "Daniel",
    "Emma",
    "Finn",
    "Grace",
    "Hemi",
    "Isla",
    "Jack",
    "Kiri",
    "Liam",
    "Mere",
    "Noah",
    "Olivia",
    "Piripi",
    "Quentin",
    "Ruby",
    "Sam",
    "Tama",
    "Una",
    "Victor",
    "Wiremu",
    "Xanthe",
    "Yasmin",
    "Zoe",
    "Anahera",
    "Blair",
    "Chloé",
    "Dmitri",
    "Esther",
    "Felix",
];
const LAST: [&str; 31] = [
    "Anderson",
    "Brown",
    "Clarke",
    "Davies",
    "Edwards",
    "Fletcher",
    "Green",
    "Harris",
    "Irwin",
    "Jones",
    "Kereama",
    "Lee",
    "Mitchell",
    "Ngata",
    "O'Connor",
    "Patel",
    "Quinn",
    "Reid",
    "Smith",
    "Taylor",
    "Umaga",
    "Vaughan",
    "Wilson",
    "Xu",
    "Young",
    "Zhang",
    "Te Kanawa",
    "McDonald",
    "Singh",
    "Müller",
    "Walker",
];
const STREETS: [&str; 6] =
    ["High Street", "Trafalgar Street", "Bridge Street", "Rutherford Road", "Main Road", "The Parade"];
const CITIES: [(&str, &str, &str); 6] = [
    ("Nelson", "Nelson", "7010"),
    ("Auckland", "Auckland", "1010"),
    ("Wellington", "Wellington", "6011"),
    ("Christchurch", "Canterbury", "8011"),
    ("Dunedin", "Otago", "9016"),
    ("Hamilton", "Waikato", "3204"),
];
const GOODS: [(&str, &str, i64); 6] = [
    ("Garden chair", "goods", 8_900),
    ("Workshop, half a day", "services", 24_000),
    ("Seed packet", "goods", 495),
    ("Delivery", "freight", 1_250),
    ("Advice by the hour", "services", 15_000),
    ("Planter box", "goods", 6_450),
];

#[derive(Clone)]
pub(super) struct Person {
    pub(super) first: String,
    pub(super) last: String,
    pub(super) email: String,
    pub(super) phone: String,
    pub(super) mobile: Option<String>,
    pub(super) company: Option<String>,
    pub(super) street: String,
    pub(super) place: (&'static str, &'static str, &'static str),
    pub(super) account: String,
    pub(super) since: DateTime<Utc>,
}

pub(super) struct Sale {
    pub(super) number: String,
    pub(super) at: DateTime<Utc>,
    pub(super) lines: Vec<(&'static str, &'static str, i64, i64)>,
}

impl Sale {
    pub(super) fn date(&self) -> NaiveDate {
        self.at.with_timezone(&Tz::Pacific__Auckland).date_naive()
    }

    pub(super) fn total(&self) -> Decimal {
        Decimal::new(self.lines.iter().map(|(_, _, quantity, cents)| quantity * cents).sum(), 2)
    }
}

impl Seeder<'_> {
    pub(super) fn of<T: Copy>(&mut self, from: &[T], otherwise: T) -> T {
        self.random.choice(from).copied().unwrap_or(otherwise)
    }

    pub(super) fn person(&mut self) -> Person {
        let number = self.people;
        self.people += 1;
        // 331 shares no factor with 32 * 31, so every name comes once before any comes again.
        let combination = number * 331 % (FIRST.len() * LAST.len());
        let first = FIRST.get(combination % FIRST.len()).copied().unwrap_or("Ada");
        let mut last = LAST.get(combination / FIRST.len()).copied().unwrap_or("Moore").to_owned();
        let again = number / (FIRST.len() * LAST.len());
        if again > 0 {
            last = format!("{last} {}", again + 1);
        }
        let company = self.random.bool().then(|| format!("{last} & Co"));
        Person {
            first: first.to_owned(),
            email: format!("person{}@example.com", number + 1),
            phone: format!("03 555 {:04}", 100 + number % 9_000),
            mobile: (number.is_multiple_of(4)).then(|| format!("021 555 {:04}", 200 + number % 9_000)),
            company,
            street: format!("{} {}", self.random.u32(1..300), self.of(&STREETS, "High Street")),
            place: self.of(&CITIES, ("Nelson", "Nelson", "7010")),
            account: format!("C{:05}", number + 1),
            since: self.now - TimeDelta::hours(self.random.i64(24 * 220..24 * 600)),
            last,
        }
    }

    pub(super) fn sale(&mut self) -> Sale {
        self.sales += 1;
        let at = self.now - TimeDelta::minutes(self.random.i64(60..60 * 24 * 200));
        let count = self.random.usize(1..4);
        let lines = (0..count).map(|_| {
            let (title, income, cents) = self.of(&GOODS, ("Seed packet", "goods", 495));
            (title, income, self.random.i64(1..5), cents)
        });
        let lines = lines.collect();
        Sale { number: format!("S-{}", 5000 + self.sales), at, lines }
    }
}

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsd.data.corpus import clean_text
from ttsd.data.text import normalize_text

CASES = [
    # cardinals
    ("I have 3 apples.", "I have three apples."),
    ("He counted 0 errors.", "He counted zero errors."),
    ("There were 21 of us.", "There were twenty-one of us."),
    ("About 105 people came.", "About one hundred and five people came."),
    ("It holds 1,024 bytes.", "It holds one thousand and twenty-four bytes."),
    ("A city of 1,000,000 people.", "A city of one million people."),
    ("They paid for 5 million of them.", "They paid for five million of them."),
    ("Agent 007 is late.", "Agent zero zero seven is late."),
    ("It fell to -5 again.", "It fell to minus five again."),
    ("It fell to −5 again.", "It fell to minus five again."),
    ("Take 3, 4 and 9.", "Take three, four and nine."),
    ("Is it 7?", "Is it seven?"),
    ("(12)", "(twelve)"),
    ("٣ apples", "three apples"),
    # decimals
    ("Pi is about 3.14.", "Pi is about three point one four."),
    ("It weighs 0.05 of that.", "It weighs zero point zero five of that."),
    ("It was 1,234.5 in all.", "It was one thousand two hundred and thirty-four point five in all."),
    ("Version 1.1.2 is out.", "Version one point one point two is out."),
    ("HTTP 1.1 is old.", "HTTP one point one is old."),
    # ordinals
    ("the 1st one", "the first one"),
    ("the 2nd and 3rd", "the second and third"),
    ("her 21st birthday", "her twenty-first birthday"),
    ("the 19th century", "the nineteenth century"),
    ("the 100th time", "the one hundredth time"),
    # years and decades
    ("In 1665 he looked.", "In sixteen sixty-five he looked."),
    ("In 1900 it began.", "In nineteen hundred it began."),
    ("In 1905 it ended.", "In nineteen oh five it ended."),
    ("In 2000 and 2005.", "In two thousand and two thousand and five."),
    ("By 2024 it was done.", "By twenty twenty-four it was done."),
    ("In 1066 they landed.", "In ten sixty-six they landed."),
    ("the 1990s", "the nineteen nineties"),
    ("the 1830s", "the eighteen thirties"),
    ("the 1800s", "the eighteen hundreds"),
    ("the '60s", "the sixties"),
    ("It is from 44 BC.", "It is from forty-four BC."),
    # dates
    ("on 14 July 1789", "on the fourteenth of July seventeen eighty-nine"),
    ("the 14 July riots", "the fourteenth of July riots"),
    ("on the 4th July", "on the fourth of July"),
    ("on July 14, 1789, it fell", "on July fourteenth, seventeen eighty-nine, it fell"),
    ("until March 3", "until March third"),
    ("from 2024-05-01 on", "from May first, twenty twenty-four on"),
    ("on 5 Jan. 1920", "on the fifth of January nineteen twenty"),
    ("in May 1789", "in May seventeen eighty-nine"),
    # times
    ("at 10:30", "at ten thirty"),
    ("at 9:05", "at nine oh five"),
    ("at 10:00", "at ten o'clock"),
    ("at 14:00", "at fourteen hundred"),
    ("at 10:30 am sharp", "at ten thirty A M sharp"),
    ("at 7pm", "at seven P M"),
    ("at 5 p.m. and later", "at five P M and later"),
    ("at 10:00 a.m. today", "at ten A M today"),
    ("He left at 10:30 p.m. She stayed.", "He left at ten thirty P M. She stayed."),
    ("a ratio of 3:1", "a ratio of three to one"),
    # percentages
    ("About 68% of them.", "About sixty-eight percent of them."),
    ("a rise of 2.5 %", "a rise of two point five percent"),
    ("3-5% a year", "three to five percent a year"),
    ("between 49% and 55%.", "between forty-nine percent and fifty-five percent."),
    # money
    ("It costs $5.", "It costs five dollars."),
    ("It costs $1.", "It costs one dollar."),
    ("It costs $5.50 now.", "It costs five dollars and fifty cents now."),
    ("It costs £2.01.", "It costs two pounds and one penny."),
    ("It costs €20.", "It costs twenty euros."),
    ("It costs 20 €.", "It costs twenty euros."),
    ("It made $3 million.", "It made three million dollars."),
    ("It made $1.5 billion.", "It made one point five billion dollars."),
    ("It costs $5-10.", "It costs five to ten dollars."),
    ("It costs $1,200.", "It costs one thousand two hundred dollars."),
    # ranges
    ("3-5 days", "three to five days"),
    ("3–5 days", "three to five days"),
    ("pages 10 - 12", "pages ten to twelve"),
    ("1939-1945", "nineteen thirty-nine to nineteen forty-five"),
    ("1939–45", "nineteen thirty-nine to forty-five"),
    # fractions
    ("1/2 of it", "one half of it"),
    ("3/4 of it", "three quarters of it"),
    ("2/3 of it", "two thirds of it"),
    ("2 1/2 hours", "two and a half hours"),
    ("2½ hours", "two and a half hours"),
    ("¾ of it", "three quarters of it"),
    ("7/100 of it", "seven over one hundred of it"),
    # units
    ("5 km away", "five kilometres away"),
    ("1 km away", "one kilometre away"),
    ("5km away", "five kilometres away"),
    ("2.5 kg of rice", "two point five kilograms of rice"),
    ("12 g of sugar in 100 g.", "twelve grams of sugar in one hundred grams."),
    ("at 50 km/h", "at fifty kilometres per hour"),
    ("at 3 m/s", "at three metres per second"),
    ("9.8 m/s²", "nine point eight metres per second squared"),
    ("100 m² of floor", "one hundred square metres of floor"),
    ("5 cm³", "five cubic centimetres"),
    ("20 °C outside", "twenty degrees Celsius outside"),
    ("20°C", "twenty degrees Celsius"),
    ("1 °F", "one degree Fahrenheit"),
    ("turn by 90°", "turn by ninety degrees"),
    ("3-5 mm", "three to five millimetres"),
    ("a current of 2 A flows", "a current of two amps flows"),
    ("50 Hz", "fifty hertz"),
    ("16 GB", "sixteen gigabytes"),
    ("10 µm wide", "ten micrometres wide"),
    ("60 mph", "sixty miles per hour"),
    ("10 Ω", "ten ohms"),
    ("for 5 s", "for five seconds"),
    # abbreviations
    ("Dr. Hall is in.", "Doctor Hall is in."),
    ("Mr. and Mrs. Low", "Mister and Missus Low"),
    ("Prof. Ito speaks.", "Professor Ito speaks."),
    ("fruit, e.g. figs", "fruit, for example figs"),
    ("fruit, e.g., figs", "fruit, for example, figs"),
    ("E.g. figs.", "For example figs."),
    ("the last, i.e. the best", "the last, that is the best"),
    ("apples, pears, etc.", "apples, pears, et cetera."),
    ("apples, etc., are fruit", "apples, et cetera, are fruit"),
    ("He eats apples, etc. Then he goes.", "He eats apples, et cetera. Then he goes."),
    ("cats vs. dogs", "cats versus dogs"),
    ("cats vs dogs", "cats versus dogs"),
    ("See Fig. 3.", "See Figure three."),
    ("see fig. 3 and eq. 4", "see figure three and equation four"),
    ("No. 5 is alive.", "Number five is alive."),
    ("He said no. Then he left.", "He said no. Then he left."),
    ("pp. 3-5", "pages three to five"),
    ("St. Paul", "Saint Paul"),
    ("made in the U.S. by hand", "made in the U S by hand"),
    ("Smith et al. found it", "Smith and others found it"),
    ("tea w/o milk", "tea without milk"),
    # symbols
    ("salt & pepper", "salt and pepper"),
    ("2 + 2 = 4", "two plus two equals four"),
    ("3 × 4", "three times four"),
    ("8 ÷ 2", "eight divided by two"),
    ("5 ± 1", "five plus or minus one"),
    ("A → B", "A to B"),
    ("A -> B", "A to B"),
    ("x ≤ 5", "x is less than or equal to five"),
    ("x² and y³", "x squared and y cubed"),
    ("2^10", "two to the power of ten"),
    ("10⁻³", "ten to the power of minus three"),
    ("yes and/or no", "yes and or no"),
    ("C++ and C#", "C plus plus and C sharp"),
    ("#5 of ten", "number five of ten"),
    # letters and digits together
    ("H2O and CO₂", "H two O and CO two"),
    ("vitamin B12", "vitamin B twelve"),
    ("an A4 sheet", "an A four sheet"),
    # Greek
    ("the angle α", "the angle alpha"),
    ("σ is small", "sigma is small"),
    ("2πr", "two pi r"),
    # Roman numerals
    ("Louis XVI fell.", "Louis the Sixteenth fell."),
    ("Henry V won.", "Henry the Fifth won."),
    ("Elizabeth I was queen.", "Elizabeth the First was queen."),
    ("Mary I saw", "Mary I saw"),
    ("Chapter IV begins.", "Chapter four begins."),
    ("World War II ended.", "World War two ended."),
    ("the XIX century", "the nineteenth century"),
    ("I met a mix of people.", "I met a mix of people."),
    # marks
    ("“Yes,” he said… it’s fine", '"Yes," he said... it\'s fine'),
    ("the price — high — fell", "the price, high, fell"),
    ("Wait; stop: now!", "Wait; stop: now!"),
    ("well-known words", "well-known words"),
    ("a  b\u00a0c", "a b c"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "spoken"), CASES)
def test_text_is_normalized_as_it_is_spoken(text: str, spoken: str) -> None:
    assert normalize_text(text) == spoken


@pytest.mark.parametrize("spoken", sorted({spoken for _, spoken in CASES}))
def test_spoken_text_is_left_as_it_is(spoken: str) -> None:
    assert normalize_text(spoken) == spoken


_SIGNS = st.text(alphabet="0123456789.,:/-–$€£%°^ ABCIVXkmgs'’\"()&+=×½²₂αμ#@", max_size=24)
_WORDS = st.lists(
    st.sampled_from(
        ["Louis", "XVI", "I", "Chapter", "IV", "p.m.", "a.m.", "10:30", "5", "m/s", "km", "2", "1/2", "3-5", "$5",
         "5%", "etc.",
         "e.g.", "Dr.", "No.", "Fig.", "St.", "July", "14", "1789", "1990s", "'60s", "1st", "the", "A", "°C", "²",
         "vs.", "007",
         "1,000", "3.14", "-5", "→", "—", "…", "&", "2024-01-02", "w/", "1e-5", "million", "€", "am", "II."]
    ),
    max_size=7,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=40), _SIGNS, _WORDS.map(" ".join), _WORDS.map("".join)))
def test_any_text_is_normalized_once_and_for_all_without_digits(text: str) -> None:
    spoken = normalize_text(text)
    assert normalize_text(spoken) == spoken
    assert not any(character.isdigit() for character in spoken)
    assert clean_text(spoken) == spoken

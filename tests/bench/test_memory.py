"""bench/memory.py reads LoCoMo's format, and measures the product's own search."""

from __future__ import annotations

import json
import re
from pathlib import Path

from bench.memory import RUNGS, ladder, main, measure
from bench.memory_data import generated, load_locomo
from bench.small_talk import SOURCES, merged, samples

SAMPLE = [
    {
        "sample_id": "made-up-1",
        "conversation": {
            "speaker_a": "Ann",
            "speaker_b": "Bob",
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                {"speaker": "Ann", "dia_id": "D1:1", "text": "I adopted a parrot called Kiwi."},
                {"speaker": "Bob", "dia_id": "D1:2", "text": "Lovely!", "blip_caption": "a green bird in a cage"},
            ],
            "session_2_date_time": "9:00 am on 2 June, 2023",
            "session_2": [{"speaker": "Bob", "dia_id": "D2:1", "text": "I moved to Oslo for the new job."}],
        },
        "qa": [
            {"question": "What is Ann's parrot called?", "answer": "Kiwi", "evidence": ["D1:1"], "category": 4},
            {
                "question": "Where did Bob move in June 2023?",
                "answer": "Oslo",
                "evidence": ["D:2:1; D1:02"],
                "category": 2,
            },
            {"question": "Did Ann buy a boat?", "answer": "", "evidence": ["D1:1"], "category": 5},
            {"question": "No evidence", "answer": "", "evidence": [], "category": 1},
        ],
    }
]


def test_a_file_in_the_format_is_read_and_measured(tmp_path: Path, capsys: object) -> None:
    path, out = tmp_path / "locomo.json", tmp_path / "out.json"
    path.write_text(json.dumps(SAMPLE))
    (conversation,) = load_locomo(path)
    assert [(m.name, m.speaker, m.at.date().isoformat()) for m in conversation.messages] == [
        ("D1:1", "Ann", "2023-05-08"),
        ("D1:2", "Bob", "2023-05-08"),
        ("D2:1", "Bob", "2023-06-02"),
    ]
    assert [(q.category, sorted(q.evidence)) for q in conversation.questions] == [
        (4, ["D1:1"]),
        (2, ["D1:2", "D2:1"]),
        (5, ["D1:1"]),
    ]
    main(["--locomo", str(path), "--json", str(out), "--no-embedder"])
    numbers = json.loads(out.read_text())
    assert list(numbers) == ["llmos", "fts5", "last-k"]
    assert (numbers["llmos"]["recall@5"], numbers["llmos"]["questions"]) == (1.0, 2)
    assert sorted(numbers["llmos"]["categories"]) == ["adversarial", "single-hop", "temporal"]


def test_the_generated_set_is_found_far_better_than_by_taking_the_newest() -> None:
    numbers = measure([generated(3, 600)], None)
    assert numbers["llmos"]["recall@10"] >= 0.6  # type: ignore[operator]
    assert numbers["last-k"]["recall@20"] <= 0.15  # type: ignore[operator]


def test_one_conversation_of_all_keeps_every_turn_and_question(tmp_path: Path) -> None:
    path = tmp_path / "locomo.json"
    texts = [source.read_text("utf-8") for source in SOURCES]
    path.write_text(json.dumps([one for place, text in enumerate(texts) for one in samples(text, place)]))
    apart = load_locomo(path)
    path.write_text(json.dumps(samples(merged(texts))))
    (conversation,) = load_locomo(path)
    assert {message.speaker for message in conversation.messages} == {"Carla", "Dennis"}
    assert [message.at for message in conversation.messages] == sorted(message.at for message in conversation.messages)
    said = {message.name: message.text for message in conversation.messages}
    assert len(said) == sum(len(one.messages) for one in apart)
    assert len(conversation.questions) == sum(len(one.questions) for one in apart)
    (wanted,) = [
        q for q in conversation.questions if q.text == "Who is Amir's climbing trainer?".replace("Amir", "Dennis")
    ]
    assert ["Kofi" in said[name] for name in wanted.evidence] == [True]


def test_rung_by_rung_the_last_is_the_product() -> None:
    conversation = generated(3, 400)
    rungs = measure([conversation], None, ladder)
    assert list(rungs) == ["words", *(name for name, _ in RUNGS)]
    assert rungs[RUNGS[-1][0]]["recall@10"] == measure([conversation], None)["llmos"]["recall@10"]


def test_small_talk_in_the_format_with_its_oddities(tmp_path: Path) -> None:
    path = tmp_path / "locomo.json"
    made = samples(SOURCES[0].read_text("utf-8"))
    path.write_text(json.dumps(made))
    (conversation,) = load_locomo(path)
    written = [entry for entry in made[0]["qa"] if entry["evidence"] not in ([], ["D"])]
    assert len(conversation.questions) == len(written) == 91
    odd = {text for entry in written for text in entry["evidence"] if not re.fullmatch(r"D\d+:[1-9]\d*", text)}
    assert {"D1:7; D2:16; D6:9", "D:1:9", "D2:08"} <= odd
    assert {"D2:8", "D2:12"} in [set(question.evidence) for question in conversation.questions]
    numbers = measure([conversation], None)
    assert (numbers["llmos"]["questions"], numbers["fts5"]["questions"]) == (90, 90)
    assert numbers["llmos"]["recall@10"] > numbers["fts5"]["recall@10"] + 0.05  # type: ignore[operator]

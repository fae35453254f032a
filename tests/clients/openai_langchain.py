"""LangChain's ChatOpenAI."""

import json

from checks import MODEL, check, expect
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from openai_checks import SCHEMA, WEATHER, due, header


def chat(correlation_id, **parameters):
    return ChatOpenAI(model=MODEL, max_retries=0, timeout=30, default_headers=header(correlation_id), **parameters)


def plain(correlation_id):
    answer = chat(correlation_id).invoke("Hello!")
    expect("Hello!" in answer.content, f"answered {answer}")
    return [due(stop_reason="end_turn")]


def streamed(correlation_id):
    text = "".join(str(chunk.content) for chunk in chat(correlation_id, stream_usage=True).stream("Hello!"))
    expect("Hello!" in text, f"streamed {text!r}")
    return [due(stop_reason="end_turn")]


def tool_round(correlation_id):
    bound = chat(correlation_id).bind_tools([WEATHER])
    question = HumanMessage("Call get_weather for Lisbon.")
    call = bound.invoke([question])
    expect([it["args"] for it in call.tool_calls] == [{"city": "Lisbon"}], f"called {call}")
    results = [ToolMessage("18 degrees, sunny", tool_call_id=it["id"]) for it in call.tool_calls]
    final = bound.invoke([question, call, *results])
    expect("18 degrees, sunny" in final.content, f"answered {final}")
    return [due(stop_reason="tool_use"), due(stop_reason="end_turn")]


def schema(correlation_id):
    answer = chat(correlation_id).bind(response_format=SCHEMA).invoke("Hello!")
    expect(set(json.loads(answer.content)) == {"city"}, f"answered {answer}")
    return [due()]


check("plain message", plain)
check("streamed message", streamed)
check("tool round", tool_round)
check("schema", schema)

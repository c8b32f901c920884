/* Usual lines of a cluster.log told to their resources, in compiled code.

   Owns the loop of rhscheck.traces.audit.usual over lines of resources that stand where they are
   known to stand: the next step, and what is to be noted by it. It does what that loop does, and
   stops at the first line for which anything has to be found out, before it has changed anything.
   What a step means is worked out by rhscheck.traces.audit.ways. It holds no state. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "../_objects.h"

static const char *const READING_SLOTS[] = {"owner", "route", NULL};
static const char *const RESOURCE_SLOTS[] = {
    "stood", "stands", "host", "quiet_since", "silence_us", "silences",
    "open",  "kinds",  "measured", "known", "recent", NULL};
static const char *const ROUTE_SLOTS[] = {"told", NULL};
enum { READING_OWNER, READING_ROUTE };
enum {
    STOOD, STANDS, HOST, QUIET_SINCE, SILENCE_US, SILENCES, OPEN, KINDS, MEASURED, KNOWN, RECENT
};
enum { ROUTE_TOLD };
/* What is to be noted by a step, and what becomes of calls: rhscheck.traces.audit.ways. */
enum { HOSTS, ROW, ENDS_SILENCE, CALLS, THEN, CASE, BIT, EFFECTS };
enum { NEXT, AGAIN, UNSAID, SAID };
enum { KEPT, BEGUN, OVER };
enum { MINUTE = 60000000 }; /* microseconds */
enum { ENDS, AT_MOST, OPENS, INFERRED, CLOSES, CALL_PARTS };
/* A row of what was measured: rhscheck.traces.audit.durations. */
enum { COUNT, FIRST_LINE, FIRST_TIME, LAST_LINE, LAST_TIME, LIMIT, ROW_SIZE };

typedef struct {
    Slots of_reading, of_resource, of_route;
    PyObject *note_case, *trim; /* to be called for a case that is new, and a timeline too long */
    long long stood;            /* where resources stand if nothing was forgotten since */
    Py_ssize_t most;            /* of a timeline */
    Py_ssize_t said, judged;
} Telling;

typedef struct {
    PyObject *line, *time, *process, *reading;
} Row;

/* What an int is, `otherwise` if it is none or too large. */
static long long
number_of(PyObject *object, long long otherwise)
{
    int overflow = 0;
    if (object == NULL || !PyLong_Check(object))
        return otherwise;
    long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    return overflow ? otherwise : number;
}

static PyObject **
of(const Telling *telling, PyObject *resource, int number)
{
    return slot(&telling->of_resource, resource, number);
}

/* What the only call in flight is, which must be `op`: borrowed; NULL if it is another, or many. */
static PyObject *
only_call(const Telling *telling, PyObject *resource, PyObject *op)
{
    PyObject *open = *of(telling, resource, OPEN);
    if (open == NULL || !PyTuple_CheckExact(open) || PyTuple_GET_SIZE(open) != 1)
        return NULL;
    PyObject *call = PyTuple_GET_ITEM(open, 0);
    if (!PyTuple_CheckExact(call) || PyTuple_GET_SIZE(call) != 3)
        return NULL;
    int is_same = PyObject_RichCompareBool(PyTuple_GET_ITEM(call, 0), op, Py_EQ);
    if (is_same < 0)
        PyErr_Clear();
    return is_same == 1 ? call : NULL;
}

/* The row of `what` among those that were measured of the resource; -1: there is none yet. */
static Py_ssize_t
row_of(const Telling *telling, PyObject *resource, PyObject *what, Py_buffer *rows)
{
    PyObject *measured = *of(telling, resource, MEASURED);
    long long at = number_of(looked_up(*of(telling, resource, KINDS), what), -1);
    if (at < 0 || measured == NULL || measured == Py_None
        || PyObject_GetBuffer(measured, rows, PyBUF_WRITABLE | PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return -1;
    }
    if (rows->itemsize != (Py_ssize_t)sizeof(long long) || rows->format == NULL
        || rows->format[0] != 'q' || at > rows->len / rows->itemsize - ROW_SIZE) {
        PyBuffer_Release(rows);
        return -1;
    }
    return (Py_ssize_t)at;
}

/* As audit.durations.measure does it, of what has a row: 0 if it has none, or no time. */
static int
measure(
    const Telling *telling, PyObject *resource, PyObject *what, PyObject *since, const Row *row,
    PyObject *at_most)
{
    Py_buffer buffer;
    if (since == NULL || !PyTuple_CheckExact(since) || PyTuple_GET_SIZE(since) != 2)
        return 0;
    long long first = number_of(PyTuple_GET_ITEM(since, 0), -1);
    long long begun = number_of(PyTuple_GET_ITEM(since, 1), -1);
    long long line = number_of(row->line, -1), ended = number_of(row->time, -1);
    if (first < 0 || begun < 0 || line < 0 || ended < begun)
        return 0;
    Py_ssize_t at = row_of(telling, resource, what, &buffer);
    if (at < 0)
        return 0;
    long long *rows = (long long *)buffer.buf + at;
    rows[COUNT] += 1;
    if (ended - begun > rows[LAST_TIME] - rows[FIRST_TIME]) {
        rows[FIRST_LINE] = first;
        rows[FIRST_TIME] = begun;
        rows[LAST_LINE] = line;
        rows[LAST_TIME] = ended;
        rows[LIMIT] = at_most == Py_True;
    }
    PyBuffer_Release(&buffer);
    return 1;
}

/* Whether a silence that ends here is no longer than the longest. */
static int
is_short_silence(const Telling *telling, PyObject *resource, PyObject *time)
{
    PyObject *since = *of(telling, resource, QUIET_SINCE);
    if (since == NULL || !PyTuple_CheckExact(since) || PyTuple_GET_SIZE(since) != 2)
        return 0;
    long long begun = number_of(PyTuple_GET_ITEM(since, 1), -1), ended = number_of(time, -1);
    return begun >= 0 && ended >= begun
           && ended - begun <= number_of(*of(telling, resource, SILENCE_US), -1);
}

/* Whether the last entry of the timeline is no longer ago than a minute. */
static int
was_just_said(const Telling *telling, PyObject *resource, PyObject *time)
{
    PyObject *recent = *of(telling, resource, RECENT);
    if (recent == NULL || !PyList_CheckExact(recent) || PyList_GET_SIZE(recent) < 2)
        return 0;
    long long then = number_of(PyList_GET_ITEM(recent, PyList_GET_SIZE(recent) - 2), -1);
    long long now = number_of(time, -1);
    return then >= 0 && now >= 0 && now - then <= MINUTE && then - now <= MINUTE;
}

/* Whether calls may begin and end here as they mostly do: one ends that is alone, or one begins
   where none is in flight. */
static int
are_usual_calls(const Telling *telling, PyObject *resource, PyObject *calls)
{
    if (!PyTuple_CheckExact(calls) || PyTuple_GET_SIZE(calls) != CALL_PARTS
        || PyTuple_GET_ITEM(calls, CLOSES) != Py_None)
        return 0;
    PyObject *ends = PyTuple_GET_ITEM(calls, ENDS), *opens = PyTuple_GET_ITEM(calls, OPENS);
    if ((ends == Py_None) == (opens == Py_None))
        return 0;
    if (ends != Py_None)
        return only_call(telling, resource, ends) != NULL;
    PyObject *open = *of(telling, resource, OPEN);
    return open != NULL && PyTuple_CheckExact(open) && PyTuple_GET_SIZE(open) == 0;
}

/* Let a usual call end, or begin: 1; 0 if it has not been measured before; -1 with an exception. */
static int
take_calls(const Telling *telling, PyObject *resource, PyObject *calls, const Row *row)
{
    PyObject *ends = PyTuple_GET_ITEM(calls, ENDS), *flight;
    if (ends != Py_None) {
        PyObject *since = PyTuple_GET_ITEM(only_call(telling, resource, ends), 1);
        if (!measure(telling, resource, ends, since, row, PyTuple_GET_ITEM(calls, AT_MOST)))
            return 0;
        flight = PyTuple_New(0);
    }
    else
        flight = Py_BuildValue(
            "((O(OO)O))", PyTuple_GET_ITEM(calls, OPENS), row->line, row->time,
            PyTuple_GET_ITEM(calls, INFERRED));
    if (flight == NULL)
        return -1;
    Py_XSETREF(*of(telling, resource, OPEN), flight);
    return 1;
}

/* What is to be noted by a step, but for its entry: 1, or 2 if there is no entry; 0 if it is not
   usual, and nothing has changed; -1 with an exception. */
static int
take_effects(Telling *telling, PyObject *resource, PyObject *effects, const Row *row)
{
    if (!PyTuple_CheckExact(effects) || PyTuple_GET_SIZE(effects) != EFFECTS)
        return 0;
    PyObject *calls = PyTuple_GET_ITEM(effects, CALLS), *kind = PyTuple_GET_ITEM(effects, CASE);
    long long entry = number_of(PyTuple_GET_ITEM(effects, ROW), -1);
    long long then = number_of(PyTuple_GET_ITEM(effects, THEN), -1);
    int ends_silence = PyTuple_GET_ITEM(effects, ENDS_SILENCE) == Py_True;
    if (PyTuple_GET_ITEM(effects, HOSTS) == Py_True) {
        PyObject *host = *of(telling, resource, HOST);
        long long process = number_of(row->process, -1);
        if (process < 0 || number_of(host, -2) != process)
            return 0;
    }
    if (entry == UNSAID)
        return 2;
    if (entry == SAID) {
        if (!was_just_said(telling, resource, row->time))
            return 0;
        telling->said++;
        return 2;
    }
    if (entry != NEXT || then < KEPT || then > OVER
        || (ends_silence && !is_short_silence(telling, resource, row->time))
        || (calls != Py_None && !are_usual_calls(telling, resource, calls)))
        return 0;
    if (calls != Py_None) {
        int status = take_calls(telling, resource, calls, row);
        if (status != 1)
            return status;
    }
    if (ends_silence) {
        PyObject **silences = of(telling, resource, SILENCES);
        PyObject *more = PyLong_FromLongLong(number_of(*silences, 0) + 1);
        if (more == NULL)
            return -1;
        Py_XSETREF(*silences, more);
    }
    if (then != KEPT) {
        PyObject *since = then == BEGUN ? PyTuple_Pack(2, row->line, row->time) : Py_NewRef(Py_None);
        if (since == NULL)
            return -1;
        Py_XSETREF(*of(telling, resource, QUIET_SINCE), since);
    }
    if (kind == Py_None)
        return 1;
    telling->judged++;
    PyObject *known = *of(telling, resource, KNOWN);
    PyObject *both = PyNumber_And(known == NULL ? Py_None : known, PyTuple_GET_ITEM(effects, BIT));
    int is_known = both == NULL ? -1 : PyObject_IsTrue(both);
    Py_XDECREF(both);
    if (is_known < 0)
        return -1;
    if (!is_known) {
        PyObject *done = PyObject_CallFunctionObjArgs(
            telling->note_case, kind, resource, row->line, row->time, NULL);
        if (done == NULL)
            return -1;
        Py_DECREF(done);
    }
    return 1;
}

/* Put an entry on the timeline; -1 with an exception. */
static int
add_entry(const Telling *telling, PyObject *resource, PyObject *told, const Row *row)
{
    PyObject *recent = *of(telling, resource, RECENT);
    if (recent == NULL || !PyList_CheckExact(recent)) {
        PyErr_SetString(PyExc_TypeError, "a timeline is a list");
        return -1;
    }
    if (PyList_Append(recent, row->line) < 0 || PyList_Append(recent, row->time) < 0
        || PyList_Append(recent, told) < 0)
        return -1;
    if (PyList_GET_SIZE(recent) > telling->most) {
        PyObject *done = PyObject_CallOneArg(telling->trim, resource);
        if (done == NULL)
            return -1;
        Py_DECREF(done);
    }
    return 0;
}

/* Tell one line: 1; 0 if something has to be found out, and nothing has changed; -1 with an
   exception. */
static int
tell_line(Telling *telling, const Row *row)
{
    if (slots_of(&telling->of_reading, row->reading, READING_SLOTS) < 0)
        return -1;
    PyObject *resource = *slot(&telling->of_reading, row->reading, READING_OWNER);
    PyObject *route = *slot(&telling->of_reading, row->reading, READING_ROUTE);
    if (resource == NULL || resource == Py_None || route == NULL || route == Py_None)
        return 0;
    if (slots_of(&telling->of_resource, resource, RESOURCE_SLOTS) < 0
        || slots_of(&telling->of_route, route, ROUTE_SLOTS) < 0)
        return -1;
    if (number_of(*of(telling, resource, STOOD), -1) != telling->stood)
        return 0;
    PyObject *step = looked_up(*of(telling, resource, STANDS), route);
    if (step == NULL || !PyTuple_CheckExact(step) || PyTuple_GET_SIZE(step) != 2)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *told = *slot(&telling->of_route, route, ROUTE_TOLD);
    PyObject *effects = PyTuple_GET_ITEM(step, 1);
    /* What is called here may change who owns what. */
    Py_INCREF(step);
    Py_INCREF(resource);
    Py_XINCREF(told);
    int status = effects == Py_None ? 1 : take_effects(telling, resource, effects, row);
    if (status > 0)
        Py_XSETREF(*of(telling, resource, STANDS), Py_NewRef(PyTuple_GET_ITEM(step, 0)));
    if (status == 1 && told != NULL && add_entry(telling, resource, told, row) < 0)
        status = -1;
    Py_XDECREF(told);
    Py_DECREF(resource);
    Py_DECREF(step);
    return status < 0 ? -1 : status > 0;
}

PyDoc_STRVAR(
    tell_doc,
    "tell(lines, times, processes, readings, start, stood, most, note_case, trim, /)\n--\n\n"
    "Tell usual lines, given in columns, from number `start` on.\n\n"
    "`stood`: of resources that stand where they stood; `most`: how long the list of a timeline\n"
    "gets before `trim(resource)`; `note_case(case, resource, line, time)` is told what is new.\n"
    "The first line that was not told, which has changed nothing; how many said what another has\n"
    "just said; and how many are cases.");

static PyObject *
tell(PyObject *module, PyObject *args)
{
    PyObject *lines, *times, *processes, *readings;
    Py_ssize_t at;
    Telling telling = {0};
    if (!PyArg_ParseTuple(
            args, "O!O!O!O!nLnOO:tell", &PyList_Type, &lines, &PyList_Type, &times, &PyList_Type,
            &processes, &PyList_Type, &readings, &at, &telling.stood, &telling.most,
            &telling.note_case, &telling.trim))
        return NULL;
    Py_ssize_t stop = PyList_GET_SIZE(readings);
    if (at < 0 || PyList_GET_SIZE(lines) != stop || PyList_GET_SIZE(times) != stop
        || PyList_GET_SIZE(processes) != stop) {
        PyErr_SetString(PyExc_ValueError, "columns are of the same length");
        return NULL;
    }
    for (; at < stop && at < PyList_GET_SIZE(readings); at++) {
        Row row = {
            PyList_GET_ITEM(lines, at), PyList_GET_ITEM(times, at), PyList_GET_ITEM(processes, at),
            PyList_GET_ITEM(readings, at)};
        int status = tell_line(&telling, &row);
        if (status < 0)
            return NULL;
        if (status == 0)
            break;
    }
    return Py_BuildValue("(nnn)", at, telling.said, telling.judged);
}

static PyMethodDef methods[] = {
    {"tell", tell, METH_VARARGS, tell_doc},
    {NULL, NULL, 0, NULL},
};

/* Changes whenever what `tell` takes or gives does: see rhscheck.traces.audit.usual. */
static int
set_revision(PyObject *module)
{
    return PyModule_AddIntConstant(module, "REVISION", 2);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, set_revision},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_telling",
    .m_doc = "Usual lines of a cluster.log told to their resources, in compiled code.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__telling(void)
{
    return PyModuleDef_Init(&definition);
}

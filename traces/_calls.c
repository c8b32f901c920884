/* Lines of a recording (rhs-trace/1) that are calls and returns, in compiled code.

   `read` goes over whole lines and gives them as columns, a call and its return on the next line
   together. It accepts only lines in the one canonical form, byte for byte; of any stretch in which
   something else stands it says so, and rhscheck.traces reads it as it always does. A `Way` is one
   of rhscheck.traces.paths, and does what the Python function of the same way does. `walk` takes
   lines along their ways as rhscheck.traces.steady would, and stops at the first that is not
   ordinary. What rules mean is not known here. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>
#include "_objects.h"

typedef struct {
    const char *begin; /* of the line */
    long long time, number;
    const char *kind;    /* from `"host"` on */
    const char *event;   /* behind `"ev":"` */
    const char *op;      /* behind `"op":"` */
    const char *kind_end; /* behind the quote that ends the entry point's name */
    int is_call;
    long long id; /* -1: it has none */
    int has_code;
    long long code;
    const char *end; /* behind the line feed */
} Line;

static const char *
skip(const char *at, const char *end, const char *text, size_t size)
{
    if (at == NULL || (size_t)(end - at) < size || memcmp(at, text, size) != 0)
        return NULL;
    return at + size;
}

#define SKIP(at, end, text) skip(at, end, text, sizeof(text) - 1)

/* Behind a number as JSON writes it, of at most 18 digits; NULL if it is none. */
static const char *
take_number(const char *at, const char *end, long long *number)
{
    const char *first = at;
    long long found = 0;
    if (at == NULL)
        return NULL;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (at - first == 18)
            return NULL; /* it might be too large */
        found = found * 10 + (*at - '0');
    }
    if (at == first || (*first == '0' && at - first > 1))
        return NULL;
    *number = found;
    return at;
}

/* Behind the quote that ends a string which has begun; NULL if there is none.

   A quote with a backslash before it ends no string. Then what is taken for the kind of the line is
   no JSON, and nothing is known for it. */
static const char *
skip_string(const char *at, const char *end)
{
    if (at == NULL)
        return NULL;
    const char *quote = memchr(at, '"', end - at);
    return quote == NULL ? NULL : quote + 1;
}

/* The line that begins here; 0 if it is not in the usual form. */
static int
take_line(const char *at, const char *end, Line *line)
{
    long long thread;
    const char *feed = memchr(at, '\n', end - at), *next;
    if (feed == NULL)
        return 0;
    line->begin = at;
    line->end = feed + 1;
    at = take_number(SKIP(at, feed, "{\"ts\":"), feed, &line->time);
    at = take_number(SKIP(at, feed, ",\"seq\":"), feed, &line->number);
    at = SKIP(at, feed, ",");
    line->kind = at;
    at = SKIP(skip_string(SKIP(at, feed, "\"host\":\""), feed), feed, ",");
    if ((next = SKIP(at, feed, "\"mon\":\"")) != NULL)
        at = SKIP(skip_string(next, feed), feed, ",");
    if ((next = SKIP(at, feed, "\"tid\":")) != NULL)
        at = SKIP(take_number(next, feed, &thread), feed, ",");
    at = SKIP(skip_string(SKIP(at, feed, "\"res\":\""), feed), feed, ",\"ev\":\"");
    line->event = at;
    line->is_call = SKIP(at, feed, "call") != NULL;
    at = line->is_call ? SKIP(at, feed, "call") : SKIP(at, feed, "return");
    line->op = at = SKIP(at, feed, "\",\"op\":\"");
    line->kind_end = at = skip_string(at, feed);
    line->id = -1;
    if ((next = SKIP(at, feed, ",\"cid\":")) != NULL)
        at = take_number(next, feed, &line->id);
    line->has_code = 0;
    if ((next = SKIP(at, feed, ",\"rc\":")) != NULL) {
        int negative = next < feed && *next == '-';
        at = take_number(next + negative, feed, &line->code);
        if (negative && line->code == 0)
            return 0;
        line->code = negative ? -line->code : line->code;
        line->has_code = 1;
    }
    at = SKIP(at, feed, "}");
    /* A call has no code, a return has one. */
    return at == feed && line->has_code != line->is_call;
}

/* Whether `back` is the return of `call`. */
static int
is_return_of(const Line *back, const Line *call)
{
    size_t before = call->event - call->kind, op = call->kind_end - call->op;
    return call->is_call && !back->is_call && back->id == call->id
           && (size_t)(back->event - back->kind) == before
           && memcmp(back->kind, call->kind, before) == 0
           && (size_t)(back->kind_end - back->op) == op && memcmp(back->op, call->op, op) == 0;
}

/* What `known`, and else `find`, has for the line: a new reference, NULL with an exception. */
static PyObject *
kind_of(const Line *line, PyObject *known, PyObject *find)
{
    PyObject *key = PyBytes_FromStringAndSize(line->kind, line->kind_end - line->kind);
    if (key == NULL)
        return NULL;
    PyObject *found = Py_XNewRef(PyDict_GetItemWithError(known, key));
    if (found == NULL && !PyErr_Occurred())
        found = PyObject_CallOneArg(find, key);
    Py_DECREF(key);
    return found;
}

enum { KINDS, BEGUN, ENDED, IDS, CODES, COLUMNS };

static int
append_step(PyObject **columns, PyObject *kind, const Line *line, const Line *back)
{
    const Line *coded = back != NULL ? back : line;
    return PyList_Append(columns[KINDS], kind) < 0
                   || append_new(columns[BEGUN], PyLong_FromLongLong(line->time)) < 0
                   || append_new(
                          columns[ENDED],
                          back == NULL ? Py_NewRef(Py_None) : PyLong_FromLongLong(back->time)) < 0
                   || append_new(columns[IDS], PyLong_FromLongLong(line->id)) < 0
                   || append_new(
                          columns[CODES],
                          coded->has_code ? PyLong_FromLongLong(coded->code)
                                          : Py_NewRef(Py_None)) < 0
               ? -1
               : 0;
}

/* The pass; -1 with an exception, 0 if something else stands there, else 1. */
static int
go_over(
    const char *at, const char *end, PyObject *known, PyObject *find, PyObject **columns,
    long long *first, Py_ssize_t *count, int *in_order)
{
    Line lines[2];
    Line *line = &lines[0], *next = &lines[1];
    long long number = 0, time = 0;
    int status = 1, ahead = 0;
    while (at < end || ahead) {
        if (!ahead && !take_line(at, end, line))
            return 0;
        ahead = 0;
        at = line->end;
        if (*count == 0)
            *first = number = line->number;
        else if (line->number != ++number || line->time < time)
            *in_order = 0;
        time = line->time;
        *count += 1;
        const Line *back = NULL;
        if (line->is_call && at < end) {
            if (!take_line(at, end, next))
                return 0;
            if (is_return_of(next, line) && next->number == number + 1 && next->time >= time) {
                back = next;
                number++;
                time = next->time;
                at = next->end;
                *count += 1;
            }
            else
                ahead = 1;
        }
        PyObject *kind = kind_of(line, known, find);
        if (kind == NULL)
            return -1;
        if (kind == Py_None)
            status = 0;
        else if (append_step(columns, kind, line, back) < 0)
            status = -1;
        Py_DECREF(kind);
        if (status != 1)
            return status;
        if (ahead) {
            Line *other = line;
            line = next;
            next = other;
        }
    }
    return 1;
}

PyDoc_STRVAR(
    read_doc,
    "read(text, known, find, /)\n--\n\n"
    "Go over `text`, whole lines. `known` (a dict) and then `find` say what stands for the bytes\n"
    "of a line from `\"host\"` to the end of `op`, in which they may not be mistaken; None: nothing.\n"
    "None: something else than calls and returns in the usual form stands there. Else (kinds,\n"
    "begun, ended, ids, codes, first, count, in_order): a step is a call and its return on the\n"
    "next line, or a call (no code) or a return (a code) by itself, and `ended` of it None; ids are\n"
    "-1 where there are none. The number of the first line, how many lines there are, and\n"
    "whether the numbers go on by one and the times do not go back.");

static PyObject *
read_lines(PyObject *module, PyObject *args)
{
    PyObject *text, *known, *find, *result = NULL, *columns[COLUMNS] = {NULL};
    if (!PyArg_ParseTuple(args, "SO!O:read", &text, &PyDict_Type, &known, &find))
        return NULL;
    const char *at = PyBytes_AS_STRING(text), *end = at + PyBytes_GET_SIZE(text);
    long long first = 0;
    Py_ssize_t count = 0;
    int in_order = 1;
    for (int column = 0; column < COLUMNS; column++) {
        if ((columns[column] = PyList_New(0)) == NULL)
            goto done;
    }
    switch (go_over(at, end, known, find, columns, &first, &count, &in_order)) {
    case 0:
        result = Py_NewRef(Py_None);
        break;
    case 1:
        result = Py_BuildValue(
            "(OOOOOLnO)", columns[KINDS], columns[BEGUN], columns[ENDED], columns[IDS],
            columns[CODES], first, count, in_order ? Py_True : Py_False);
        break;
    default:
        break;
    }
done:
    for (int column = 0; column < COLUMNS; column++)
        Py_XDECREF(columns[column]);
    return result;
}

/* ---- ways --------------------------------------------------------------------------------- */

static const char *const KIND_SLOTS[] = {"walker", "rounds", "host", "op", "is_call", NULL};
static const char *const WALKER_SLOTS[] = {
    "walks", "node", "op", "cid", "count", "times", "now", "calls", NULL};
static const char *const NODE_SLOTS[] = {"rounds", "paths", NULL};
enum { KIND_WALKER, KIND_ROUNDS, KIND_HOST, KIND_OP, KIND_IS_CALL };
enum {
    WALKER_WALKS, WALKER_NODE, WALKER_OP, WALKER_ID, WALKER_COUNT, WALKER_TIMES, WALKER_NOW,
    WALKER_CALLS
};
enum { NODE_ROUNDS, NODE_PATHS };

/* A way of rhscheck.traces.paths as numbers: of each alternative the conditions under which it is
   gone, the times after it, and the node where it ends (None: where it began). A value is one of
   the walker's times, its `now`, or the time of an event. */
enum { INPUTS, EVENTS, ALTERNATIVES, FIRST };
enum { CONDITIONS, TIMES, ALTERNATIVE };        /* how many of an alternative */
enum { LEFT, SIGN, RIGHT, PLUS, CONDITION };    /* left < right + plus */
enum { PLACE, MORE, TIME };                     /* value + more */
enum { BEFORE, AFTER, SAME };
enum { MOST_TIMES = 32, MOST_NUMBERS = 4096 };
static const long long FURTHEST = 1LL << 61;

typedef struct {
    PyObject_HEAD
    PyObject *nodes;
    long long *program;
    Slots of_walker; /* of the walker that last came */
} Way;

/* Whether the numbers are such a way, to the last one. */
static int
is_sound(const long long *program, Py_ssize_t size, Py_ssize_t nodes)
{
    if (size < FIRST || size > MOST_NUMBERS || program[INPUTS] < 0 || program[INPUTS] > MOST_TIMES
        || program[EVENTS] < 1 || program[EVENTS] > 2 || program[ALTERNATIVES] != nodes)
        return 0;
    long long values = program[INPUTS] + 1 + program[EVENTS];
    Py_ssize_t at = FIRST;
    for (Py_ssize_t number = 0; number < nodes; number++) {
        if (size - at < ALTERNATIVE)
            return 0;
        long long conditions = program[at + CONDITIONS], times = program[at + TIMES];
        at += ALTERNATIVE;
        if (conditions < 0 || conditions > MOST_NUMBERS || times < 0 || times > MOST_TIMES
            || size - at < conditions * CONDITION + times * TIME)
            return 0;
        for (; conditions > 0; conditions--, at += CONDITION) {
            const long long *one = program + at;
            if (one[LEFT] < 0 || one[LEFT] >= values || one[RIGHT] < 0 || one[RIGHT] >= values
                || one[SIGN] < BEFORE || one[SIGN] > SAME || one[PLUS] < -FURTHEST
                || one[PLUS] > FURTHEST)
                return 0;
        }
        for (; times > 0; times--, at += TIME) {
            const long long *one = program + at;
            if (one[PLACE] < 0 || one[PLACE] >= values || one[MORE] < -FURTHEST
                || one[MORE] > FURTHEST)
                return 0;
        }
    }
    return at == size;
}

static PyObject *
way_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    Py_buffer given;
    PyObject *nodes;
    if (named != NULL && PyDict_GET_SIZE(named) > 0) {
        PyErr_SetString(PyExc_TypeError, "Way takes no names");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "y*O!:Way", &given, &PyTuple_Type, &nodes))
        return NULL;
    Way *way = NULL;
    Py_ssize_t size = given.len / (Py_ssize_t)sizeof(long long);
    long long *program = PyMem_Malloc(given.len ? given.len : 1);
    if (program == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    memcpy(program, given.buf, given.len);
    if (given.len % sizeof(long long) || !is_sound(program, size, PyTuple_GET_SIZE(nodes))) {
        PyErr_SetString(PyExc_ValueError, "these numbers are no way");
        goto done;
    }
    way = (Way *)type->tp_alloc(type, 0);
    if (way != NULL) {
        way->program = program;
        way->nodes = Py_NewRef(nodes);
        program = NULL;
    }
done:
    PyMem_Free(program);
    PyBuffer_Release(&given);
    return (PyObject *)way;
}

static int
way_traverse(Way *way, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(way));
    Py_VISIT(way->nodes);
    return 0;
}

static int
way_clear(Way *way)
{
    Py_CLEAR(way->nodes);
    return 0;
}

static void
way_dealloc(Way *way)
{
    PyTypeObject *type = Py_TYPE(way);
    PyObject_GC_UnTrack(way);
    way_clear(way);
    PyMem_Free(way->program);
    type->tp_free(way);
    Py_DECREF(type);
}

static int
holds(const long long *one, const long long *values)
{
    long long apart = values[one[LEFT]] - values[one[RIGHT]];
    switch (one[SIGN]) {
    case BEFORE:
        return apart < one[PLUS];
    case AFTER:
        return apart > one[PLUS];
    default:
        return apart == one[PLUS];
    }
}

/* Take the walker along: 1; 0 if it does not fit, and nothing has changed; -1 with an exception. */
static int
go_along(Way *way, const Slots *slots, PyObject *walker, PyObject *const *events, int count)
{
    const long long *program = way->program;
    long long values[MOST_TIMES + 3];
    PyObject *objects[MOST_TIMES + 3];
    PyObject *times = *slot(slots, walker, WALKER_TIMES), *now = *slot(slots, walker, WALKER_NOW);
    Py_ssize_t inputs = program[INPUTS];
    if (program[EVENTS] != count || times == NULL || now == NULL || way->nodes == NULL
        || !PyTuple_CheckExact(times) || PyTuple_GET_SIZE(times) != inputs)
        return 0;
    for (Py_ssize_t at = 0; at < inputs; at++)
        objects[at] = PyTuple_GET_ITEM(times, at);
    objects[inputs] = now;
    for (int at = 0; at < count; at++)
        objects[inputs + 1 + at] = events[at];
    for (Py_ssize_t at = 0; at < inputs + 1 + count; at++) {
        values[at] = PyLong_AsLongLong(objects[at]);
        if (values[at] == -1 && PyErr_Occurred())
            return -1;
        if (values[at] < 0 || values[at] > 2 * FURTHEST)
            return 0; /* no time; what differences may be relies on it */
    }
    const long long *at = program + FIRST;
    for (Py_ssize_t number = 0; number < program[ALTERNATIVES]; number++) {
        long long conditions = at[CONDITIONS], taken = at[TIMES];
        const long long *one = at + ALTERNATIVE;
        at = one + conditions * CONDITION + taken * TIME;
        int fits = 1;
        for (; conditions > 0 && fits; conditions--, one += CONDITION)
            fits = holds(one, values);
        if (!fits)
            continue;
        PyObject *after = PyTuple_New(taken);
        if (after == NULL)
            return -1;
        for (Py_ssize_t place = 0; place < taken; place++, one += TIME) {
            PyObject *moment = one[MORE] ? PyLong_FromLongLong(values[one[PLACE]] + one[MORE])
                                         : Py_NewRef(objects[one[PLACE]]);
            if (moment == NULL) {
                Py_DECREF(after);
                return -1;
            }
            PyTuple_SET_ITEM(after, place, moment);
        }
        PyObject *node = PyTuple_GET_ITEM(way->nodes, number);
        PyObject *moment = Py_NewRef(events[count - 1]);
        if (node != Py_None)
            Py_XSETREF(*slot(slots, walker, WALKER_NODE), Py_NewRef(node));
        Py_XSETREF(*slot(slots, walker, WALKER_TIMES), after);
        Py_XSETREF(*slot(slots, walker, WALKER_NOW), moment);
        return 1;
    }
    return 0;
}

static PyObject *
way_call(Way *way, PyObject *args, PyObject *named)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args) - 1;
    if (count < 1 || count > 2 || (named != NULL && PyDict_GET_SIZE(named) > 0)) {
        PyErr_SetString(PyExc_TypeError, "a walker and one or two times are wanted");
        return NULL;
    }
    PyObject *walker = PyTuple_GET_ITEM(args, 0), *events[2];
    for (Py_ssize_t at = 0; at < count; at++)
        events[at] = PyTuple_GET_ITEM(args, at + 1);
    if (slots_of(&way->of_walker, walker, WALKER_SLOTS) < 0)
        return NULL;
    int status = go_along(way, &way->of_walker, walker, events, (int)count);
    return status < 0 ? NULL : PyBool_FromLong(status);
}

PyDoc_STRVAR(
    way_doc,
    "Way(program, nodes, /)\n--\n\n"
    "A way of rhscheck.traces.paths: called with a walker and the times of its events, it takes\n"
    "the walker along by the first alternative that fits; False, and no change, if none does.\n\n"
    "`program`: an array of 64-bit numbers, see the source; `nodes`: where each alternative ends\n"
    "(None: where it began). Raises ValueError for numbers that are no way.");

static PyType_Slot way_slots[] = {
    {Py_tp_doc, (void *)way_doc},
    {Py_tp_new, way_new},
    {Py_tp_dealloc, way_dealloc},
    {Py_tp_traverse, way_traverse},
    {Py_tp_clear, way_clear},
    {Py_tp_call, way_call},
    {0, NULL},
};

static PyType_Spec way_spec = {
    .name = "rhscheck.traces._calls.Way",
    .basicsize = sizeof(Way),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = way_slots,
};

/* ---- walking ------------------------------------------------------------------------------ */

typedef struct {
    PyTypeObject *way_type;
    PyObject *calls, *returns, *host; /* numbers of events, by entry point; by code and that */
    Slots of_kind, of_walker, of_node;
} Walk;

/* Note the id of a call; -1 with an exception. */
static int
note_call(const Walk *walk, PyObject *kind, PyObject *walker, PyObject *id)
{
    PyObject **op = slot(&walk->of_walker, walker, WALKER_OP);
    PyObject *its_op = *slot(&walk->of_kind, kind, KIND_OP);
    if (*op != its_op) {
        /* As Walker.settle does it. */
        PyObject *last = *slot(&walk->of_walker, walker, WALKER_ID);
        PyObject *known = *slot(&walk->of_walker, walker, WALKER_CALLS);
        if (*op == NULL || last == NULL || known == NULL || !PyDict_Check(known)) {
            PyErr_SetString(PyExc_TypeError, "this is no walker");
            return -1;
        }
        int had_one = PyObject_IsTrue(*op);
        if (had_one < 0 || (had_one && PyDict_SetItem(known, *op, last) < 0))
            return -1;
        Py_XSETREF(*op, Py_XNewRef(its_op));
    }
    Py_XSETREF(*slot(&walk->of_walker, walker, WALKER_ID), Py_NewRef(id));
    return 0;
}

/* Whether a return has the id of the last call of its entry point; -1 with an exception. */
static int
is_last_call(const Walk *walk, PyObject *kind, PyObject *walker, PyObject *id)
{
    PyObject *op = *slot(&walk->of_kind, kind, KIND_OP);
    PyObject *last = *slot(&walk->of_walker, walker, WALKER_ID);
    if (*slot(&walk->of_walker, walker, WALKER_OP) != op)
        last = looked_up(*slot(&walk->of_walker, walker, WALKER_CALLS), op);
    if (last == NULL)
        return PyErr_Occurred() ? -1 : 0;
    return PyObject_RichCompareBool(last, id, Py_EQ);
}

/* The way that the step may go: borrowed; NULL, perhaps with an exception. */
static PyObject *
way_of(const Walk *walk, PyObject *kind, PyObject *node, int is_round, PyObject *code)
{
    PyObject *op = *slot(&walk->of_kind, kind, KIND_OP), *number;
    PyObject *ways = *slot(&walk->of_node, node, is_round ? NODE_ROUNDS : NODE_PATHS);
    if (is_round)
        number = looked_up(*slot(&walk->of_kind, kind, KIND_ROUNDS), code);
    else if (code == Py_None)
        number = looked_up(walk->calls, op);
    else
        number = looked_up(looked_up(walk->returns, code), op);
    return number == NULL ? NULL : looked_up(ways, number);
}

/* Take one step: 1; 0 if it is not ordinary, and nothing has changed; -1 with an exception. */
static int
take_step(
    Walk *walk, PyObject *kind, PyObject *begun, PyObject *ended, PyObject *id, PyObject *code)
{
    if (slots_of(&walk->of_kind, kind, KIND_SLOTS) < 0)
        return -1;
    PyObject *walker = *slot(&walk->of_kind, kind, KIND_WALKER);
    if (walker == NULL || walker == Py_None
        || *slot(&walk->of_kind, kind, KIND_HOST) != walk->host)
        return 0;
    if (slots_of(&walk->of_walker, walker, WALKER_SLOTS) < 0)
        return -1;
    PyObject *node = *slot(&walk->of_walker, walker, WALKER_NODE);
    if (*slot(&walk->of_walker, walker, WALKER_WALKS) != Py_True || node == NULL)
        return 0;
    if (slots_of(&walk->of_node, node, NODE_SLOTS) < 0)
        return -1;
    int is_round = ended != Py_None, is_call = is_round || code == Py_None;
    int has_id = PyLong_AsLongLong(id) != -1;
    if (PyErr_Occurred())
        return -1;
    if (!is_call && has_id) {
        int is_last = is_last_call(walk, kind, walker, id);
        if (is_last != 1)
            return is_last;
    }
    PyObject *way = way_of(walk, kind, node, is_round, code);
    if (way == NULL)
        return PyErr_Occurred() ? -1 : 0;
    if (!Py_IS_TYPE(way, walk->way_type))
        return 0;
    PyObject *events[] = {begun, ended};
    Py_INCREF(walker);
    Py_INCREF(way);
    int status = go_along((Way *)way, &walk->of_walker, walker, events, is_round ? 2 : 1);
    Py_DECREF(way);
    if (status == 1) {
        PyObject **count = slot(&walk->of_walker, walker, WALKER_COUNT);
        long long known = *count == NULL ? 0 : PyLong_AsLongLong(*count);
        PyObject *more = PyErr_Occurred() ? NULL : PyLong_FromLongLong(known + 1 + is_round);
        if (more == NULL || (is_call && has_id && note_call(walk, kind, walker, id) < 0))
            status = -1;
        if (more != NULL)
            Py_XSETREF(*slot(&walk->of_walker, walker, WALKER_COUNT), more);
    }
    Py_DECREF(walker);
    return status;
}

PyDoc_STRVAR(
    walk_doc,
    "walk(kinds, begun, ended, ids, codes, start, stop, host, calls, returns, /)\n--\n\n"
    "Take the steps `start` to `stop` of the columns while they are of `host` and fit.\n\n"
    "`calls`, `returns`: the numbers of events, by entry point, and by code and entry point.\n"
    "The number of the first that was not taken (it has changed nothing), and how many lines were.");

static PyObject *
walk_along(PyObject *module, PyObject *args)
{
    PyObject *columns[COLUMNS];
    Py_ssize_t at, stop, lines = 0;
    Walk walk = {0};
    if (!PyArg_ParseTuple(
            args, "O!O!O!O!O!nnUO!O!:walk", &PyList_Type, &columns[KINDS], &PyList_Type,
            &columns[BEGUN], &PyList_Type, &columns[ENDED], &PyList_Type, &columns[IDS],
            &PyList_Type, &columns[CODES], &at, &stop, &walk.host, &PyDict_Type, &walk.calls,
            &PyDict_Type, &walk.returns))
        return NULL;
    walk.way_type = *(PyTypeObject **)PyModule_GetState(module);
    for (int column = 0; column < COLUMNS; column++) {
        if (at < 0 || stop > PyList_GET_SIZE(columns[column])) {
            PyErr_SetString(PyExc_IndexError, "there are not so many steps");
            return NULL;
        }
    }
    for (; at < stop; at++) {
        int status = take_step(
            &walk, PyList_GET_ITEM(columns[KINDS], at), PyList_GET_ITEM(columns[BEGUN], at),
            PyList_GET_ITEM(columns[ENDED], at), PyList_GET_ITEM(columns[IDS], at),
            PyList_GET_ITEM(columns[CODES], at));
        if (status < 0)
            return NULL;
        if (status == 0)
            break;
        lines += PyList_GET_ITEM(columns[ENDED], at) == Py_None ? 1 : 2;
    }
    return Py_BuildValue("(nn)", at, lines);
}

static PyMethodDef methods[] = {
    {"read", read_lines, METH_VARARGS, read_doc},
    {"walk", walk_along, METH_VARARGS, walk_doc},
    {NULL, NULL, 0, NULL},
};

static int
set_up(PyObject *module)
{
    PyObject **way_type = PyModule_GetState(module);
    *way_type = PyType_FromModuleAndSpec(module, &way_spec, NULL);
    if (*way_type == NULL || PyModule_AddObjectRef(module, "Way", *way_type) < 0)
        return -1;
    /* Changes whenever what these take or give does: see rhscheck.traces.paired. */
    return PyModule_AddIntConstant(module, "REVISION", 2);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    PyObject **way_type = PyModule_GetState(module);
    if (way_type != NULL)
        Py_VISIT(*way_type);
    return 0;
}

static int
module_clear(PyObject *module)
{
    PyObject **way_type = PyModule_GetState(module);
    if (way_type != NULL)
        Py_CLEAR(*way_type);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_calls",
    .m_doc = "Lines of a recording that are calls and returns, read in compiled code.",
    .m_size = sizeof(PyObject *),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC
PyInit__calls(void)
{
    return PyModuleDef_Init(&definition);
}

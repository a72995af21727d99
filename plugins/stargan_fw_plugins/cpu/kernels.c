// Winograd's convolutions on processors: tiles of feature maps at the points and back, and products of matrices
// (kernels.py).

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINE 16  // channels or columns that are computed together: a line of the cache
#ifdef __AVX512F__
#define LANES 16  // numbers per register
#else
#define LANES 8
#endif
#define PARTS (LINE / LANES)
#define NO_SUCH_SIZES 1  // returned instead of 0
#define NO_MEMORY 2
#define inlined static inline __attribute__((always_inline))
#define unrolled _Pragma("GCC unroll 16")

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef struct {
    lanes part[PARTS];
} line;
typedef float four __attribute__((vector_size(16)));

#ifdef __clang__
#define PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int32_t places __attribute__((vector_size(16)));
#define PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (places){i, j, k, l})
#endif

// Transposes 4 × 4 numbers.
inlined void transpose(float *to, int64_t to_next, const float *from, int64_t from_next) {
    four v[4];
    unrolled for (int i = 0; i < 4; i++) memcpy(v + i, from + i * from_next, sizeof(four));
    const four a = PICK(v[0], v[1], 0, 4, 1, 5), b = PICK(v[2], v[3], 0, 4, 1, 5);
    const four c = PICK(v[0], v[1], 2, 6, 3, 7), d = PICK(v[2], v[3], 2, 6, 3, 7);
    v[0] = PICK(a, b, 0, 1, 4, 5), v[1] = PICK(a, b, 2, 3, 6, 7);
    v[2] = PICK(c, d, 0, 1, 4, 5), v[3] = PICK(c, d, 2, 3, 6, 7);
    unrolled for (int i = 0; i < 4; i++) memcpy(to + i * to_next, v + i, sizeof(four));
}

// Tiles. A thread takes all tiles of 16 channels of an image, from top to bottom, and reads every row once. Zeros fill
// the last line of channels.

#define STEP 4  // rows and columns from a tile to the next: its results
#define MOST 6  // points of a tile in one direction, at most

typedef struct {
    float *first;
    int64_t images, channels, height, width;
    int64_t to_image, to_channel, to_row, to_column;  // numbers from one to the next
    int64_t top, left;    // the first pixel of the first tile; pixels outside the maps are 0
    int64_t stride;       // pixels between neighbouring rows or columns of a tile
    int64_t down, right;  // tiles of each of these
} maps;

typedef struct {
    float *first;
    int64_t to_point, to_tile;  // numbers from one to the next; like the first, whole lines
} points;

// Number of lines that hold the channels.
inlined int64_t blocks_of(const maps *m) { return (m->channels + LINE - 1) / LINE; }

// 16 channels of an image.
typedef struct {
    const maps *of;
    float *first;
    int64_t image, span;  // pixels in a row, outside of the maps too
    int64_t begin, end;   // of these, those inside
    int block, blocks, channels;
} slice;

inlined slice slice_of(const maps *m, int n, int64_t unit) {
    slice s = {.of = m, .blocks = blocks_of(m)};
    s.image = unit / s.blocks, s.block = unit % s.blocks;
    const int64_t rest = m->channels - s.block * LINE;
    s.channels = rest < LINE ? rest : LINE;
    s.first = m->first + s.image * m->to_image + s.block * LINE * m->to_channel;
    s.span = m->stride * (STEP * (m->right - 1) + n);
    s.begin = m->left < 0 ? -m->left : 0;
    s.end = m->left + s.span > m->width ? m->width - m->left : s.span;
    return s;
}

inlined float *tile_of(const slice *s, const points *p, int64_t y, int64_t x, int64_t phase) {
    const int64_t tile = (s->image * s->of->down + y) * s->of->right + x;
    return p->first + tile * p->to_tile + (phase * s->blocks + s->block) * LINE;
}

inlined void read_row(line *row, const slice *s, int64_t y) {
    const maps *m = s->of;
    if (y < 0 || y >= m->height) {
        memset(row, 0, sizeof(line) * s->span);
        return;
    }
    const float *from = s->first + y * m->to_row + m->left * m->to_column;
    int64_t k = s->begin;
    memset(row, 0, sizeof(line) * s->begin);
    memset(row + s->end, 0, sizeof(line) * (s->span - s->end));
    if (m->to_column == 1 && s->channels == LINE)
        for (; k + 4 <= s->end; k += 4)
            unrolled for (int c = 0; c < LINE; c += 4)
                transpose((float *)(row + k) + c, LINE, from + c * m->to_channel + k, m->to_channel);
    for (; k < s->end; k++) {
        float *to = (float *)(row + k);
        for (int c = 0; c < LINE; c++) to[c] = c < s->channels ? from[c * m->to_channel + k * m->to_column] : 0;
    }
}

inlined void write_row(const line *row, const slice *s, int64_t y) {
    const maps *m = s->of;
    if (y < 0 || y >= m->height) return;
    float *to = s->first + y * m->to_row + m->left * m->to_column;
    int64_t k = s->begin;
    if (m->to_column == 1 && s->channels == LINE)
        for (; k + 4 <= s->end; k += 4)
            unrolled for (int c = 0; c < LINE; c += 4)
                transpose(to + c * m->to_channel + k, m->to_channel, (const float *)(row + k) + c, LINE);
    for (; k < s->end; k++)
        for (int c = 0; c < s->channels; c++) to[c * m->to_channel + k * m->to_column] = ((const float *)(row + k))[c];
}

inlined lanes weighed(int n, const float *weights, const lanes *values) {
    lanes sum = weights[0] * values[0];
    unrolled for (int i = 1; i < n; i++) sum += weights[i] * values[i];
    return sum;
}

// matrix · tile · matrixᵀ for tiles of n × n and a matrix of p × n.
inlined void evaluate(int n, int p, const maps *m, const float *matrix, const points *to, line *rows, int64_t unit) {
    const slice s = slice_of(m, n, unit);
    const int64_t columns = s.span / m->stride;
    const int overlap = n > STEP ? n - STEP : 0;
    line *half = rows + n * s.span;  // points down, pixels across
    for (int64_t row = 0; row < m->down * m->stride; row++) {
        const int64_t y = row % m->down, above = row / m->down;
        if (y) memmove(rows, rows + STEP * s.span, sizeof(line) * overlap * s.span);
        for (int r = y ? overlap : 0; r < n; r++)
            read_row(rows + r * s.span, &s, m->top + above + m->stride * (STEP * y + r));
        for (int64_t beside = 0; beside < m->stride; beside++) {
            for (int64_t k = 0; k < columns; k++)
                for (int h = 0; h < PARTS; h++) {
                    lanes column[MOST];
                    unrolled for (int r = 0; r < n; r++) column[r] = rows[r * s.span + beside + m->stride * k].part[h];
                    unrolled for (int i = 0; i < p; i++) half[i * columns + k].part[h] = weighed(n, matrix + i * n, column);
                }
            for (int64_t x = 0; x < m->right; x++) {
                float *tile = tile_of(&s, to, y, x, above * m->stride + beside);
                for (int i = 0; i < p; i++)
                    for (int h = 0; h < PARTS; h++) {
                        lanes across[MOST];
                        unrolled for (int c = 0; c < n; c++) across[c] = half[i * columns + STEP * x + c].part[h];
                        unrolled for (int j = 0; j < p; j++)
                            ((line *)(tile + (i * p + j) * to->to_point))->part[h] = weighed(n, matrix + j * n, across);
                    }
            }
        }
    }
}

// matrix · points · matrixᵀ for a matrix of n × p, added up where tiles overlap.
inlined void combine(int n, int p, const maps *m, const float *matrix, const points *of, line *rows, int64_t unit) {
    const slice s = slice_of(m, n, unit);
    const int overlap = n > STEP ? n - STEP : 0;
    for (int64_t row = 0; row < m->down * m->stride; row++) {
        const int64_t y = row % m->down, above = row / m->down;
        if (y) memmove(rows, rows + STEP * s.span, sizeof(line) * overlap * s.span);
        const int begun = y ? overlap : 0;  // by the tiles above
        memset(rows + begun * s.span, 0, sizeof(line) * (n - begun) * s.span);
        for (int64_t x = 0; x < m->right; x++)
            for (int64_t beside = 0; beside < m->stride; beside++) {
                const float *tile = tile_of(&s, of, y, x, above * m->stride + beside);
                line half[MOST * MOST];  // points down, pixels across
                for (int i = 0; i < p; i++)
                    for (int h = 0; h < PARTS; h++) {
                        lanes across[MOST];
                        unrolled for (int j = 0; j < p; j++)
                            across[j] = ((const line *)(tile + (i * p + j) * of->to_point))->part[h];
                        unrolled for (int c = 0; c < n; c++) half[i * n + c].part[h] = weighed(p, matrix + c * p, across);
                    }
                line *at = rows + beside + m->stride * STEP * x;
                for (int c = 0; c < n; c++)
                    for (int h = 0; h < PARTS; h++) {
                        lanes column[MOST];
                        unrolled for (int i = 0; i < p; i++) column[i] = half[i * n + c].part[h];
                        unrolled for (int r = 0; r < n; r++)
                            at[r * s.span + m->stride * c].part[h] += weighed(p, matrix + r * p, column);
                    }
            }
        const int done = y + 1 < m->down ? n - overlap : n;
        for (int r = 0; r < done; r++) write_row(rows + r * s.span, &s, m->top + above + m->stride * (STEP * y + r));
    }
}

// Sizes that are known when this is compiled, in which case sums stay in registers: five times as fast.
#define EACH_SIZE(one) one(6, 6) one(4, 6) one(3, 6) one(5, 5) one(4, 5) one(2, 5)
#define SIZED(stage, N, P)                                                                             \
    static int stage##_##N##_##P(const maps *m, const float *matrix, const points *at, int threads) {  \
        const int64_t units = m->images * blocks_of(m);                                                \
        const size_t size = sizeof(line) * m->stride * (STEP * m->right + MOST) * (N + P);             \
        int status = 0;                                                                                \
        _Pragma("omp parallel num_threads(threads) reduction(max : status)") {                         \
            line *rows = aligned_alloc(sizeof(line), size);                                            \
            if (!rows) status = NO_MEMORY;                                                             \
            _Pragma("omp for") for (int64_t u = 0; u < units; u++)                                     \
                if (rows) stage(N, P, m, matrix, at, rows, u);                                         \
            free(rows);                                                                                \
        }                                                                                              \
        return status;                                                                                 \
    }
#define EVALUATE(N, P) SIZED(evaluate, N, P)
#define COMBINE(N, P) SIZED(combine, N, P)
EACH_SIZE(EVALUATE)
EACH_SIZE(COMBINE)

// Return 0, NO_MEMORY, or NO_SUCH_SIZES for a size that is not among these.
int to_points(int n, int p, maps m, const float *matrix, points to, int threads) {
#define TRY_TO(N, P) \
    if (n == N && p == P) return evaluate_##N##_##P(&m, matrix, &to, threads);
    EACH_SIZE(TRY_TO)
    return NO_SUCH_SIZES;
}

int from_points(int n, int p, maps m, const float *matrix, points of, int threads) {
#define TRY_FROM(N, P) \
    if (n == N && p == P) return combine_##N##_##P(&m, matrix, &of, threads);
    EACH_SIZE(TRY_FROM)
    return NO_SUCH_SIZES;
}

// Products of matrices. A thread takes 256 columns or fewer of one, whose second factor it packs into columns of a line,
// 256 rows at a time, as registers and caches hold them.

#define ROWS (12 / PARTS)  // of results, in the registers
#define WIDE 16            // lines
#define DEEP 256           // terms of a sum
#define HIGH 96            // rows of the first factor

typedef struct {
    float *first;
    int64_t to_matrix, to_row, to_column;  // numbers from one to the next
} matrices;

// Sums of `deep` terms: as many rows as the registers hold, or fewer, of one line.
inlined void sums(int rows, const float *a, int64_t to_row, int64_t to_term, const line *b, float *c, int64_t to_result,
                  int64_t deep, int more) {
    lanes sum[ROWS][PARTS];
    unrolled for (int i = 0; i < rows; i++)
        unrolled for (int h = 0; h < PARTS; h++) sum[i][h] = (lanes){0};
    for (int64_t k = 0; k < deep; k++)
        unrolled for (int i = 0; i < rows; i++)
            unrolled for (int h = 0; h < PARTS; h++) sum[i][h] += a[i * to_row + k * to_term] * b[k].part[h];
    unrolled for (int i = 0; i < rows; i++)
        unrolled for (int h = 0; h < PARTS; h++) {
            lanes before = {0};
            if (more) memcpy(&before, c + i * to_result + h * LANES, sizeof(lanes));
            before += sum[i][h];
            memcpy(c + i * to_result + h * LANES, &before, sizeof(lanes));
        }
}

// The same of all rows; `to_rows` is from as many as the registers hold to the next.
inlined void column_of_sums(int64_t rows, const float *a, int64_t to_row, int64_t to_term, int64_t to_rows, const line *b,
                            float *c, int64_t to_result, int64_t deep, int more) {
    for (; rows >= ROWS; rows -= ROWS, a += to_rows, c += ROWS * to_result)
        sums(ROWS, a, to_row, to_term, b, c, to_result, deep, more);
    switch (rows) {
#define LAST(R) case R: sums(R < ROWS ? R : 0, a, to_row, to_term, b, c, to_result, deep, more); break;
        LAST(1) LAST(2) LAST(3) LAST(4) LAST(5) LAST(6) LAST(7) LAST(8) LAST(9) LAST(10) LAST(11)
    }
}

static void pack_line(line *to, const float *b, int64_t to_row, int64_t to_column, int64_t deep) {
    int64_t k = 0;
    if (to_column == 1)
        for (; k < deep; k++) memcpy(to + k, b + k * to_row, sizeof(line));
    else if (to_row == 1)
        for (; k + 4 <= deep; k += 4)
            unrolled for (int j = 0; j < LINE; j += 4)
                transpose((float *)(to + k) + j, LINE, b + k + j * to_column, to_column);
    for (; k < deep; k++)
        for (int j = 0; j < LINE; j++) ((float *)(to + k))[j] = b[k * to_row + j * to_column];
}

// Rows that lie side by side, as many as the registers hold at a time.
static void pack_rows(float *to, const float *a, int64_t to_term, int64_t rows, int64_t deep) {
    for (; rows > 0; rows -= ROWS, a += ROWS, to += ROWS * deep)
        for (int64_t k = 0; k < deep; k++)
            if (rows >= ROWS) memcpy(to + k * ROWS, a + k * to_term, 4 * ROWS);
            else memcpy(to + k * ROWS, a + k * to_term, 4 * rows);
}

// C = A · B, or C += A · B, for as many matrices: (m, k) and (k, n), n a multiple of 16. Columns of C are consecutive.
// Returns 0 or NO_MEMORY.
int multiply(int64_t count, int64_t m, int64_t n, int64_t k, matrices a, matrices b, matrices c, int more, int threads) {
    int64_t wide = WIDE;
    while (wide > 1 && count * n / (wide * LINE) < 4 * threads) wide /= 2;
    const int64_t across = (n / LINE + wide - 1) / wide;
    int status = 0;
#pragma omp parallel num_threads(threads) reduction(max : status)
    {
        line *columns = aligned_alloc(sizeof(line), sizeof(line) * DEEP * WIDE + 4 * DEEP * (HIGH + ROWS));
        float *side_by_side = (float *)(columns + DEEP * WIDE);
        if (!columns) status = NO_MEMORY;
#pragma omp for schedule(dynamic)
        for (int64_t unit = 0; unit < count * across; unit++) {
            if (!columns) continue;
            const int64_t matrix = unit / across, first = unit % across * wide;
            const int64_t lines = n / LINE - first < wide ? n / LINE - first : wide;
            const float *of_b = b.first + matrix * b.to_matrix + first * LINE * b.to_column;
            float *of_c = c.first + matrix * c.to_matrix + first * LINE;
            for (int64_t term = 0; term < k; term += DEEP) {
                const int64_t deep = k - term < DEEP ? k - term : DEEP;
                for (int64_t j = 0; j < lines; j++)
                    pack_line(columns + j * DEEP, of_b + term * b.to_row + j * LINE * b.to_column, b.to_row, b.to_column, deep);
                for (int64_t i = 0; i < m; i += HIGH) {
                    const int64_t rows = m - i < HIGH ? m - i : HIGH;
                    const float *of_a = a.first + matrix * a.to_matrix + i * a.to_row + term * a.to_column;
                    const int packed = a.to_column != 1 && a.to_row == 1, added = more || term;
                    if (packed) pack_rows(side_by_side, of_a, a.to_column, rows, deep);
                    for (int64_t j = 0; j < lines; j++) {
                        const line *by = columns + j * DEEP;
                        float *to = of_c + i * c.to_row + j * LINE;
                        if (packed) column_of_sums(rows, side_by_side, 1, ROWS, ROWS * deep, by, to, c.to_row, deep, added);
                        else column_of_sums(rows, of_a, a.to_row, a.to_column, ROWS * a.to_row, by, to, c.to_row, deep, added);
                    }
                }
            }
        }
        free(columns);
    }
    return status;
}

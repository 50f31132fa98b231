// sample_text.cc -- written for heed: a tale, an explanation, a letter, a recipe, a dialogue, code, and numbers.
#include "apps/sample_text.h"

namespace heed {

const std::string_view kSampleText =
    R"(The lighthouse keeper had counted ships for forty years, and in all that time only one had ever answered him. It came in the autumn, when the fog lay so thick upon the water that he could not see the foot of his own tower. He had lit the lamp early and was pouring himself a cup of tea when he heard a bell, three slow strokes, and then a voice that asked, quite politely, whether this was the way to the harbour. "It is," he called back, "but keep to the left of the rocks, for the channel has moved since last winter." There was a long silence. Then the voice thanked him and said that it had not been told about the rocks. In the morning the fog was gone, and there was no ship in the harbour, nor had anybody in the village seen one. But on the step of the lighthouse stood a small wooden box, and in the box lay a compass whose needle pointed, whatever he did with it, at the kettle.

He kept the compass on the shelf above the stove. When his niece came to visit she took it down and walked about the room with it, laughing, until she noticed that the needle had begun to tremble. "It is not the kettle that it points to," she said after a while. "It is you." The old man shook his head. He had sat beside the kettle, it was true, every time that he had looked. So they tried it: he went down the stairs, all hundred and twelve of them, and out to the end of the pier, and she stood at the window and watched the needle follow him the whole way.

A tide is the slow rise and fall of the sea under the pull of the moon and, to a lesser degree, of the sun. Because gravity weakens with distance, the moon pulls the near side of the earth a little more strongly than its centre, and the centre a little more strongly than the far side. The water on both sides is therefore drawn away from the middle, and two bulges are formed. As the earth turns beneath them, most coasts see two high waters and two low waters in a little less than twenty-five hours. When sun and moon stand in one line, at new moon and at full moon, their effects add up and the range is greatest; these are called spring tides. A week later they act at right angles, and the range is smallest. The shape of the coast matters as much as the sky: in a narrow bay the water may rise by more than ten metres, while in some almost closed seas it hardly moves at all.

Dear Ms. Hoffmann,

Thank you for your letter of 14 March. We are sorry that the second delivery did not contain the parts you had ordered. Our warehouse has found them, and they will be sent to you today, free of charge. You should receive them by Thursday at the latest. If anything else is missing, please call me directly; my number is given below. We have also changed the list that is printed with every order, so that such a mistake will be noticed before the box is closed.

With kind regards,
Thomas Berg

To make bread for two days, mix 500 g of flour, 350 g of lukewarm water, 10 g of salt and 3 g of dry yeast in a large bowl. Cover it and let it stand for half an hour. Then pull one side of the dough up and fold it over to the other, turn the bowl a quarter, and repeat this four times. Do so again after thirty minutes and once more after an hour. Leave the dough in a cold place overnight. The next morning, shape it into a loaf without pressing out the air, let it rest until it has grown by half, and bake it in a hot pot with the lid on for 30 minutes at 240 degrees, then for another 15 minutes without the lid. The bread is done when it sounds hollow as you knock on its bottom.

Q: What is the difference between weather and climate?
A: Weather is what happens in the air at one place and time: rain this afternoon, or a cold night. Climate is what can be expected there over many years. A single hot summer does not change the climate, but thirty summers, each a little hotter than the one before, do.

Q: Can you give an example in numbers?
A: Suppose that the average temperature of July was 18.2 degrees between 1961 and 1990, and 19.6 degrees between 1991 and 2020. Then the climate has become warmer by 1.4 degrees, even if July of 1983 was warmer than July of 2011.

The following function returns the largest number of a list and the place where it stands. It walks through the list once, so that its time grows with the length of the list and not faster.

def largest(numbers):
    if not numbers:
        raise ValueError("the list is empty")
    best = 0
    for i in range(1, len(numbers)):
        if numbers[i] > numbers[best]:
            best = i
    return numbers[best], best

for name, values in {"first": [3, 1, 4, 1, 5], "second": [9, 2, 6]}.items():
    value, place = largest(values)
    print(f"{name}: {value} at {place}")

The train to the coast leaves every day at 7:40 and arrives at 10:05; on Sundays there is another one at 9:40. Tickets cost 24 euros, or 19 if they are bought at least three days before. Children under six travel free, and bicycles need a ticket of their own. In the year 2019 the line carried 1.2 million people, in 2020 only 480,000, and in 2023 it carried more than ever before: 1.35 million, which is 12.5 percent more than in the best year until then. The railway has therefore ordered eleven new trains, the first of which will run from next spring on.
)";

}  // namespace heed
